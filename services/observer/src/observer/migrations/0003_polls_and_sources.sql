-- How far each polled table was read, and the table as it was when that began. Written in the transaction that appends.
CREATE TABLE observer.polls (
    feed           text        COLLATE "C" NOT NULL,
    entity_type    text        COLLATE "C" NOT NULL,
    definition     text        NOT NULL,          -- the table, its columns and their types, as JSON
    schema_version bigint      NOT NULL,
    cursor_at      text,                          -- of the newest row; null: none was read yet
    tie_at         text,
    rows           bigint      NOT NULL DEFAULT 0,
    whole_at       timestamptz,                   -- when all rows were reported last
    CONSTRAINT polls_name PRIMARY KEY (feed, entity_type)
);

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
