-- The planner's own tables, its entity store and its queue. Run once, as the planner's role; harmless where the tables
-- are there already.

-- The cases it has heard of and that have not been closed: who must be looked at when a declaration changes.
CREATE TABLE IF NOT EXISTS planner.cases (
    case_id       text COLLATE "C" PRIMARY KEY,
    desired_state text COLLATE "C" NOT NULL
);
CREATE INDEX IF NOT EXISTS cases_by_state ON planner.cases (desired_state);

-- What is known of each entity (common.entities).
CREATE TABLE IF NOT EXISTS planner.entities (
    entity_type text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    row text,
    feed text NOT NULL,
    source_time timestamptz NOT NULL,
    sequence bigint NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    as_of timestamptz NOT NULL,
    withdrawn boolean NOT NULL,
    PRIMARY KEY (entity_type, key)
);
CREATE TABLE IF NOT EXISTS planner.entity_progress (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    position bigint NOT NULL DEFAULT -1,
    links text NOT NULL DEFAULT ''
);
INSERT INTO planner.entity_progress DEFAULT VALUES ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS planner.entity_links (
    entity_type text COLLATE "C" NOT NULL,
    through text COLLATE "C" NOT NULL,
    target text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    PRIMARY KEY (entity_type, through, target, key)
);
CREATE INDEX IF NOT EXISTS entity_links_by_key ON planner.entity_links (entity_type, key);
CREATE TABLE IF NOT EXISTS planner.snapshot_parts (
    feed text NOT NULL,
    entity_type text NOT NULL,
    snapshot text NOT NULL,
    part int NOT NULL,
    as_of timestamptz NOT NULL,
    PRIMARY KEY (feed, entity_type, snapshot, part)
);
CREATE TABLE IF NOT EXISTS planner.complete_snapshots (
    feed text NOT NULL,
    entity_type text COLLATE "C" NOT NULL,
    as_of timestamptz NOT NULL,
    PRIMARY KEY (feed, entity_type)
);

-- Cases to look at (common.jobs).
CREATE TABLE IF NOT EXISTS planner.jobs (
    case_id text COLLATE "C" PRIMARY KEY,
    reason text NOT NULL,
    generation bigint NOT NULL DEFAULT 1,
    attempts int NOT NULL DEFAULT 0,
    put_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    not_before timestamptz NOT NULL DEFAULT clock_timestamp(),
    token text,
    leased_until timestamptz,
    parked text,
    error text
);
