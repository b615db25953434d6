-- The events of cases: of an entity type whose source is a log, every observation (common.entities).
CREATE TABLE differ.entity_events (
    entity_type text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    source_time timestamptz NOT NULL,
    sequence bigint NOT NULL,
    row text NOT NULL,
    PRIMARY KEY (entity_type, key, event_id)
);

-- When a clock stops to run and runs again, by turns (an objective's `without`): RFC 3339, one space apart.
ALTER TABLE differ.contributions ADD COLUMN still text NOT NULL DEFAULT '';

-- What is known of each feed (common.entities.sources): as of when it last said anything, and why it is not complete.
CREATE TABLE differ.sources (
    feed   text        COLLATE "C" NOT NULL CONSTRAINT sources_feed PRIMARY KEY,
    heard  timestamptz NOT NULL,
    doubts text        NOT NULL,       -- of the last judgement, as JSON
    judged bigint      NOT NULL        -- that judgement's position, -1 without one
);
INSERT INTO differ.sources SELECT feed, max(as_of), '[]', -1 FROM differ.entities GROUP BY feed;
-- Which missed rules of the entity are left alone, and why (accepted, ignored); null: none is.
ALTER TABLE differ.cases ADD COLUMN exempt text;
