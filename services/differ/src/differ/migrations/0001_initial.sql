-- The differ's own tables, its entity store and its timers. Run once, as the differ's role; harmless where the tables
-- are there already.

-- The latest occurrence of each case as the differ's own events left it. A copy of what `gap/<case>` says, written in
-- the transaction that appends; the ledger is the truth where they disagree.
CREATE TABLE IF NOT EXISTS differ.cases (
    desired_state    text COLLATE "C" NOT NULL,
    key              text COLLATE "C" NOT NULL,
    entity_type      text COLLATE "C" NOT NULL,
    occurrence       int     NOT NULL,                     -- 0: there was no case yet
    condition        text    NOT NULL,                     -- none, gap, undecided, closed
    ended            boolean NOT NULL,                     -- the auditor closed this occurrence
    stream_version   int     NOT NULL,
    fingerprint      text    NOT NULL,
    gap              text    NOT NULL,                     -- data of the last event that lists rules
    selector_unknown text,                                 -- why it can't be told whether the entity is selected
    CONSTRAINT cases_all PRIMARY KEY (desired_state, key)
);

-- The version in which each desired state's population was last looked at, or is being looked at.
CREATE TABLE IF NOT EXISTS differ.reviewed (
    desired_state text COLLATE "C" NOT NULL CONSTRAINT reviewed_all PRIMARY KEY,
    version       text NOT NULL
);

-- Reviews under way: all entities of a type, one by one, after a declaration changed.
CREATE TABLE IF NOT EXISTS differ.reviews (
    desired_state text   COLLATE "C" NOT NULL CONSTRAINT reviews_all PRIMARY KEY,
    entity_type   text   COLLATE "C" NOT NULL,
    after_key     text   COLLATE "C" NOT NULL,             -- everything up to this key is done
    cause         bigint NOT NULL                          -- position of the declaration event that asks for it
);

-- How far the realm's replay clock has been handled here: deadlines up to this instant have fired.
CREATE TABLE IF NOT EXISTS differ.clock (
    one  boolean NOT NULL DEFAULT true CONSTRAINT clock_one PRIMARY KEY CONSTRAINT clock_only_one CHECK (one),
    at   timestamptz NOT NULL
);

-- What is known of each entity (common.entities).
CREATE TABLE IF NOT EXISTS differ.entities (
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
CREATE TABLE IF NOT EXISTS differ.entity_progress (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    position bigint NOT NULL DEFAULT -1,
    links text NOT NULL DEFAULT ''
);
INSERT INTO differ.entity_progress DEFAULT VALUES ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS differ.entity_links (
    entity_type text COLLATE "C" NOT NULL,
    through text COLLATE "C" NOT NULL,
    target text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    PRIMARY KEY (entity_type, through, target, key)
);
CREATE INDEX IF NOT EXISTS entity_links_by_key ON differ.entity_links (entity_type, key);
CREATE TABLE IF NOT EXISTS differ.snapshot_parts (
    feed text NOT NULL,
    entity_type text NOT NULL,
    snapshot text NOT NULL,
    part int NOT NULL,
    as_of timestamptz NOT NULL,
    PRIMARY KEY (feed, entity_type, snapshot, part)
);
CREATE TABLE IF NOT EXISTS differ.complete_snapshots (
    feed text NOT NULL,
    entity_type text COLLATE "C" NOT NULL,
    as_of timestamptz NOT NULL,
    PRIMARY KEY (feed, entity_type)
);

-- Instants at which something is due (common.timers).
CREATE TABLE IF NOT EXISTS differ.timers (
    subject text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    instant timestamptz NOT NULL,
    PRIMARY KEY (subject, name)
);
CREATE INDEX IF NOT EXISTS timers_by_instant ON differ.timers (instant);
