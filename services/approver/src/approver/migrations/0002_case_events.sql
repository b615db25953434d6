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
