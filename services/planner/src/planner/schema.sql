-- The planner's own tables, beside its entity store and its queue. Only the planner's role can use them.

-- The cases it has heard of and that have not been closed: who must be looked at when a declaration changes.
CREATE TABLE IF NOT EXISTS planner.cases (
    case_id       text COLLATE "C" PRIMARY KEY,
    desired_state text COLLATE "C" NOT NULL
);
CREATE INDEX IF NOT EXISTS cases_by_state ON planner.cases (desired_state);
