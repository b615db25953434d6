-- The differ's own tables, beside the entity store and the timers. Run by its own role at every start; safe to
-- run again.

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
