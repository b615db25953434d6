-- The executor's own tables, beside its entity store and its queue. Only the executor's role can use them.

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
