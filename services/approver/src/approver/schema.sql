-- The approver's own schema: projections and timers. All of it can be made again from the ledger.
-- Run at every start, as the approver's role, after the tables of common.entities and common.timers.

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
