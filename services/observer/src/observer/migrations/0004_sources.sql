-- Whether feeds are complete (observer.core.completeness). All of it follows from the ledger up to `judged_until`.

CREATE TABLE observer.judged_until (
    one      boolean NOT NULL DEFAULT true CONSTRAINT judged_until_one PRIMARY KEY
             CONSTRAINT judged_until_only_one CHECK (one),
    position bigint  NOT NULL DEFAULT -1
);
INSERT INTO observer.judged_until DEFAULT VALUES;

-- Feeds whose numbers are watched. Up to `floor` they count as come: they were said before anybody watched.
CREATE TABLE observer.numberings (
    feed  text COLLATE "C" NOT NULL CONSTRAINT numberings_feed PRIMARY KEY,
    floor bigint
);
CREATE TABLE observer.runs (
    feed text        COLLATE "C" NOT NULL,
    low  bigint      NOT NULL,
    high bigint      NOT NULL,
    at   timestamptz NOT NULL,                        -- source time of the message `low`
    CONSTRAINT runs_all PRIMARY KEY (feed, low)
);

-- The latest control totals of each type, and what the ledger holds as of their instant; null: to be counted again.
CREATE TABLE observer.totals (
    feed        text        COLLATE "C" NOT NULL,
    entity_type text        COLLATE "C" NOT NULL,
    event_id    text        COLLATE "C" NOT NULL,
    as_of       timestamptz NOT NULL,
    said        text        NOT NULL,                 -- data of the SourceCounted
    held        text,
    CONSTRAINT totals_all PRIMARY KEY (feed, entity_type, event_id)
);

-- What was said last of each feed.
CREATE TABLE observer.judgements (
    feed   text COLLATE "C" NOT NULL CONSTRAINT judgements_feed PRIMARY KEY,
    doubts text NOT NULL
);
