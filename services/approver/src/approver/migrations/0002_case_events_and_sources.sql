-- The events of cases: of an entity type whose source is a log, every observation (common.entities).
CREATE TABLE approver.entity_events (
    entity_type text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    source_time timestamptz NOT NULL,
    sequence bigint NOT NULL,
    row text NOT NULL,
    PRIMARY KEY (entity_type, key, event_id)
);

-- What is known of each feed (common.entities.sources): as of when it last said anything, and why it is not complete.
CREATE TABLE approver.sources (
    feed   text        COLLATE "C" NOT NULL CONSTRAINT sources_feed PRIMARY KEY,
    heard  timestamptz NOT NULL,
    doubts text        NOT NULL,       -- of the last judgement, as JSON
    judged bigint      NOT NULL        -- that judgement's position, -1 without one
);
INSERT INTO approver.sources SELECT feed, max(as_of), '[]', -1 FROM approver.entities GROUP BY feed;
