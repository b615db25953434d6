-- The approver's own schema: projections and timers. All of it can be made again from the ledger.
-- Run once, as the approver's role; harmless where the tables are there already.

CREATE TABLE IF NOT EXISTS approver.cases (
    case_id text COLLATE "C" PRIMARY KEY,
    desired_state text COLLATE "C" NOT NULL,
    entity_type text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    stage text COLLATE "C" NOT NULL,
    ticket_open boolean NOT NULL,                 -- approvals count for something: nothing has begun or ended
    people text[] COLLATE "C" NOT NULL,           -- who may decide something that the case waits for
    body text NOT NULL                            -- the line of the list, as JSON
);
CREATE INDEX IF NOT EXISTS cases_by_stage ON approver.cases (stage, case_id);
CREATE INDEX IF NOT EXISTS cases_by_people ON approver.cases USING gin (people);
CREATE INDEX IF NOT EXISTS cases_with_ticket ON approver.cases (case_id) WHERE ticket_open;

CREATE TABLE IF NOT EXISTS approver.tasks (
    case_id text COLLATE "C" NOT NULL,
    step int NOT NULL,
    body text NOT NULL,                           -- the task, as JSON
    PRIMARY KEY (case_id, step)
);

-- Instants at which something is due (common.timers).
CREATE TABLE IF NOT EXISTS approver.timers (
    subject text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    instant timestamptz NOT NULL,
    PRIMARY KEY (subject, name)
);
CREATE INDEX IF NOT EXISTS timers_by_instant ON approver.timers (instant);

-- What is known of each entity (common.entities).
CREATE TABLE IF NOT EXISTS approver.entities (
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
CREATE TABLE IF NOT EXISTS approver.entity_progress (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    position bigint NOT NULL DEFAULT -1,
    links text NOT NULL DEFAULT ''
);
INSERT INTO approver.entity_progress DEFAULT VALUES ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS approver.entity_links (
    entity_type text COLLATE "C" NOT NULL,
    through text COLLATE "C" NOT NULL,
    target text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    PRIMARY KEY (entity_type, through, target, key)
);
CREATE INDEX IF NOT EXISTS entity_links_by_key ON approver.entity_links (entity_type, key);
CREATE TABLE IF NOT EXISTS approver.snapshot_parts (
    feed text NOT NULL,
    entity_type text NOT NULL,
    snapshot text NOT NULL,
    part int NOT NULL,
    as_of timestamptz NOT NULL,
    PRIMARY KEY (feed, entity_type, snapshot, part)
);
CREATE TABLE IF NOT EXISTS approver.complete_snapshots (
    feed text NOT NULL,
    entity_type text COLLATE "C" NOT NULL,
    as_of timestamptz NOT NULL,
    PRIMARY KEY (feed, entity_type)
);
