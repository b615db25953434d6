-- The demo's target: a small database of assessments, as somebody else would run it. Its owner runs this file once, as
-- the owner of the database, with psql or a driver. It may be run again.
--
-- Then give the executor a login of its own in the role below, which may put a draft there and write receipts, and
-- read both; it can change or delete nothing:
--
--     CREATE ROLE vendor_risk_executor LOGIN PASSWORD '…' IN ROLE trueup_requests;

CREATE TABLE IF NOT EXISTS requests (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id      text        NOT NULL,
    vendor       text        NOT NULL,
    ask          text        NOT NULL CHECK (ask <> ''),
    due          date,
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- One row for each action that took effect, written in the action's own transaction. The key is what makes an
-- action happen once: whoever tries it again, meanwhile or later, finds the receipt.
CREATE TABLE IF NOT EXISTS trueup_receipts (
    idempotency_key text        COLLATE "C" PRIMARY KEY,
    case_id         text        NOT NULL,
    plan            text        NOT NULL,
    step            integer     NOT NULL,
    recorded_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);

DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'trueup_requests') THEN
        CREATE ROLE trueup_requests NOLOGIN;
    END IF;
END $$;
REVOKE ALL ON requests, trueup_receipts FROM PUBLIC;
REVOKE ALL ON requests, trueup_receipts FROM trueup_requests;
GRANT INSERT (case_id, vendor, ask, due), SELECT ON requests TO trueup_requests;
GRANT INSERT (idempotency_key, case_id, plan, step), SELECT ON trueup_receipts TO trueup_requests;
