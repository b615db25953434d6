-- The auditor's own tables, its entity store, its timers and its queue. All of it can be made again from the ledger.
-- Run once, as the auditor's role; harmless where the tables are there already.

-- One line a case, for lists and to know which cases an observation may decide.
CREATE TABLE IF NOT EXISTS auditor.cases (
    case_id       text COLLATE "C" PRIMARY KEY,
    desired_state text COLLATE "C" NOT NULL,
    entity_type   text COLLATE "C" NOT NULL,
    key           text COLLATE "C" NOT NULL,
    occurrence    int NOT NULL,
    severity      text NOT NULL,
    stage         text COLLATE "C" NOT NULL,
    rules         text[] NOT NULL,                      -- what fails, or failed when it was last seen to
    opened        timestamptz NOT NULL,                 -- realm clock
    changed       timestamptz NOT NULL,                 -- realm clock of the newest event
    how           text,                                 -- remedied or resolved, once closed
    watched       boolean NOT NULL                      -- an observation or the clock may decide something in it
);
CREATE INDEX IF NOT EXISTS cases_by_stage ON auditor.cases (stage, case_id);
CREATE INDEX IF NOT EXISTS cases_watched ON auditor.cases (entity_type, key) WHERE watched;

-- The documents, written in the transaction that appends AttestationIssued.
CREATE TABLE IF NOT EXISTS auditor.attestations (
    case_id   text COLLATE "C" PRIMARY KEY,
    digest    text NOT NULL,
    issued    timestamptz NOT NULL,                     -- realm clock
    how       text NOT NULL,
    simulated boolean NOT NULL,
    document  bytea NOT NULL                            -- the file, byte for byte
);

-- What is known of each entity (common.entities).
CREATE TABLE IF NOT EXISTS auditor.entities (
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
CREATE TABLE IF NOT EXISTS auditor.entity_progress (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    position bigint NOT NULL DEFAULT -1,
    links text NOT NULL DEFAULT ''
);
INSERT INTO auditor.entity_progress DEFAULT VALUES ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS auditor.entity_links (
    entity_type text COLLATE "C" NOT NULL,
    through text COLLATE "C" NOT NULL,
    target text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    PRIMARY KEY (entity_type, through, target, key)
);
CREATE INDEX IF NOT EXISTS entity_links_by_key ON auditor.entity_links (entity_type, key);
CREATE TABLE IF NOT EXISTS auditor.snapshot_parts (
    feed text NOT NULL,
    entity_type text NOT NULL,
    snapshot text NOT NULL,
    part int NOT NULL,
    as_of timestamptz NOT NULL,
    PRIMARY KEY (feed, entity_type, snapshot, part)
);
CREATE TABLE IF NOT EXISTS auditor.complete_snapshots (
    feed text NOT NULL,
    entity_type text COLLATE "C" NOT NULL,
    as_of timestamptz NOT NULL,
    PRIMARY KEY (feed, entity_type)
);

-- Instants at which something is due (common.timers).
CREATE TABLE IF NOT EXISTS auditor.timers (
    subject text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    instant timestamptz NOT NULL,
    PRIMARY KEY (subject, name)
);
CREATE INDEX IF NOT EXISTS timers_by_instant ON auditor.timers (instant);

-- Cases to look at (common.jobs).
CREATE TABLE IF NOT EXISTS auditor.jobs (
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
