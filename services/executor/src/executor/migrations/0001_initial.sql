-- The executor's own tables, its entity store and its queue. Run once, as the executor's role; harmless where the tables
-- are there already.

-- Every action that was intended, as the ledger's execution events say; the limits are counted here. Written in the
-- transaction that appends the event, and read again from the ledger at every start.
CREATE TABLE IF NOT EXISTS executor.actions (
    intent      text COLLATE "C" PRIMARY KEY,          -- the ActionIntended event
    case_id     text COLLATE "C" NOT NULL,
    action      text COLLATE "C" NOT NULL,
    realm_day   date NOT NULL,                         -- the day of its asof in the realm's time zone
    state       text NOT NULL CHECK (state IN ('open', 'succeeded', 'failed', 'unknown'))
);
CREATE INDEX IF NOT EXISTS actions_by_day ON executor.actions (action, realm_day);
CREATE INDEX IF NOT EXISTS actions_open ON executor.actions (action) WHERE state = 'open';
CREATE INDEX IF NOT EXISTS actions_by_case ON executor.actions (case_id, action);

-- What is known of each entity (common.entities).
CREATE TABLE IF NOT EXISTS executor.entities (
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
CREATE TABLE IF NOT EXISTS executor.entity_progress (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    position bigint NOT NULL DEFAULT -1,
    links text NOT NULL DEFAULT ''
);
INSERT INTO executor.entity_progress DEFAULT VALUES ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS executor.entity_links (
    entity_type text COLLATE "C" NOT NULL,
    through text COLLATE "C" NOT NULL,
    target text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    PRIMARY KEY (entity_type, through, target, key)
);
CREATE INDEX IF NOT EXISTS entity_links_by_key ON executor.entity_links (entity_type, key);
CREATE TABLE IF NOT EXISTS executor.snapshot_parts (
    feed text NOT NULL,
    entity_type text NOT NULL,
    snapshot text NOT NULL,
    part int NOT NULL,
    as_of timestamptz NOT NULL,
    PRIMARY KEY (feed, entity_type, snapshot, part)
);
CREATE TABLE IF NOT EXISTS executor.complete_snapshots (
    feed text NOT NULL,
    entity_type text COLLATE "C" NOT NULL,
    as_of timestamptz NOT NULL,
    PRIMARY KEY (feed, entity_type)
);

-- Cases to look at (common.jobs).
CREATE TABLE IF NOT EXISTS executor.jobs (
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
