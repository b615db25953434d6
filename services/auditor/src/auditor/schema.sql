-- The auditor's own tables, beside its entity store, its timers and its queue. All of it can be made again from the
-- ledger. Only the auditor's role can use them.

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
