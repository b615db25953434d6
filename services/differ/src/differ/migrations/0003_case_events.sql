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
