-- One event appended alone, again with less work: what can be said of it alone is said before the lock is taken, and
-- under the lock one statement does the rest. One trigger looks at what is inserted, where two did.

-- What an event is made of, in the order in which services write it (RFC 8785).
CREATE TYPE ledger.envelope AS (
    actor text, asof text, caseid text, causationid text, correlationid text, data json, datacontenttype text, id text,
    signature text, source text, specversion text, streamversion json, subject text, "time" text, traceparent text,
    type text);

-- Nobody inserts but the owner, whose inserts are those of ledger.append, and the privileged types are checked: both in
-- one trigger, since the condition of each is read anew by every statement. `owner` is the trigger's argument.
CREATE OR REPLACE FUNCTION ledger.check_privileged() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    owner CONSTANT text := TG_ARGV[0];
    said  jsonb;
BEGIN
    IF owner IS NULL OR current_user <> owner THEN
        RAISE EXCEPTION 'the ledger is append-only: % by % is refused', TG_OP, session_user
            USING ERRCODE = 'insufficient_privilege', HINT = 'Append through ledger.append().';
    END IF;
    IF NEW.type NOT IN (
        'trueup.declaration.proposed.v1', 'trueup.declaration.activated.v1', 'trueup.gap.confirmed.v1',
        'trueup.gap.disputed.v1', 'trueup.approval.given.v1', 'trueup.approval.refused.v1', 'trueup.plan.returned.v1',
        'trueup.release.given.v1', 'trueup.outcome.recorded.v1', 'trueup.plan.authorised.v1',
        'trueup.execution.started.v1', 'trueup.action.intended.v1', 'trueup.erasure.requested.v1',
        'trueup.erasure.approved.v1', 'trueup.erasure.done.v1') THEN
        RETURN NEW;
    END IF;
    said := NEW.event::jsonb;
    IF split_part(NEW.stream, '/', 1) IN ('approval', 'execution')
       AND split_part(NEW.stream, '/', 1) || '/' || NEW.case_id IS DISTINCT FROM NEW.stream THEN
        PERFORM ledger.refuse('wrong_case', 'the event of ' || NEW.stream || ' names another case');
    END IF;
    IF NEW.type = 'trueup.plan.authorised.v1' THEN
        PERFORM ledger.check_authorisation(NEW.case_id, said -> 'data');
    ELSIF NEW.type IN ('trueup.execution.started.v1', 'trueup.action.intended.v1') THEN
        PERFORM ledger.check_execution(NEW.type, NEW.case_id, said -> 'data');
    ELSIF split_part(NEW.stream, '/', 1) IN ('erasure', 'erased') THEN
        PERFORM ledger.check_erasure(NEW.type, NEW.stream, said);
    ELSE
        PERFORM ledger.check_decision(NEW.type, NEW.case_id, NEW.stream, said);
    END IF;
    RETURN NEW;
END $$;
DO $$
BEGIN
    EXECUTE format(
        'CREATE OR REPLACE TRIGGER privileged BEFORE INSERT ON ledger.events FOR EACH ROW WHEN ('
        'strpos(''decla gap.c gap.d appro plan. relea outco execu actio erasu'', substr(NEW.type, 8, 5)) > 0 '
        'OR current_user::text <> %1$L) EXECUTE FUNCTION ledger.check_privileged(%1$L)', current_user);
END $$;
ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER privileged;
DROP TRIGGER through_append ON ledger.events;

-- Appends one event, or has no effect and answers null: then ledger.append says what there is to say, or appends what
-- is not written as services write it. Answers the position. What it takes ledger.append would take, and nothing else
-- (see ledger.is_typed, ledger.too_deep, ledger.forbidden and ledger.obstacle, which say the same in more words: each
-- word is prepared again with every call). Holds the ledger's only lock until the transaction ends.
--
-- Put together again of what was read, without the attributes that are not there, the text is the same: so each is
-- there once, and of the type it was read as. Outside of a text nothing else can read ',"caseid":null'.
--
-- What the one statement under the lock reads of the ledger may be older than the lock. Then another has written to the
-- stream meanwhile, the version is taken, and the unique key says so: the answer is null, never a wrong version.
CREATE OR REPLACE FUNCTION ledger.append_one(event text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan   -- as in ledger.append
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
#variable_conflict use_variable
DECLARE
    said CONSTANT ledger.envelope := json_populate_record(NULL::ledger.envelope, event::json);
    top  bigint NOT NULL := -1;   -- the position it gets; to be given none is an error, and undoes everything
BEGIN
    IF (current_setting('transaction_isolation') = 'read committed'
        AND replace(replace(replace(replace(replace(replace(row_to_json(said)::text,
                ',"caseid":null', ''), ',"causationid":null', ''), ',"correlationid":null', ''),
                ',"signature":null', ''), ',"streamversion":null', ''), ',"traceparent":null', '') = event
        AND said.specversion = '1.0' AND left(said.data::text, 1) = '{'
        AND said.actor IS NOT NULL AND said.asof IS NOT NULL
        AND translate(said."time", '123456789', '000000000')
            IN ('0000-00-00T00:00:00.000000Z', '0000-00-00T00:00:00Z')
        AND octet_length(event) <= 900000
        AND (octet_length(event) < 512
             OR octet_length(event) - octet_length(replace(replace(event, '{', ''), '[', '')) < 256)) IS NOT TRUE THEN
        RETURN NULL;
    END IF;
    BEGIN
        WITH head AS (UPDATE ledger.head h SET position = h.position + 1 RETURNING h.position)
        INSERT INTO ledger.events (position, event, source, id, stream, version, type, case_id, recorded_at)
        SELECT CASE
                   WHEN said."time" COLLATE "C" BETWEEN
                            to_char(clock_timestamp() AT TIME ZONE 'UTC' - interval '5 minutes', 'YYYY-MM-DD"T"HH24:MI:SS')
                        AND to_char(clock_timestamp() AT TIME ZONE 'UTC' + interval '5 minutes', 'YYYY-MM-DD"T"HH24:MI:SS')
                    AND (SELECT said.source = s.service AND split_part(said.subject, '/', 1) = s.rights ->> said.type
                            AND (NOT s.signed ? said.type
                                 OR said.signature ~ ('^service:' || s.service || '/[0-9a-f]{16}:[A-Za-z0-9+/]{86}==$'))
                         FROM ledger.services s WHERE s.role = session_user)
                   THEN head.position END,
               event, said.source, said.id, said.subject,
               coalesce((SELECT e.version FROM ledger.events e WHERE e.stream = said.subject COLLATE "C"
                         ORDER BY e.version DESC LIMIT 1), 0) + 1,
               said.type, said.caseid, clock_timestamp()
        FROM head
        RETURNING CASE WHEN coalesce(said.streamversion::text = version::text, true) THEN position END INTO top;
    EXCEPTION WHEN not_null_violation OR null_value_not_allowed OR unique_violation OR insufficient_privilege
                OR SQLSTATE 'TU001' THEN
        RETURN NULL;
    END;
    IF pg_notify('ledger_' || said.source, '') IS NULL THEN   -- which it never is; PERFORM would plan a query
        RETURN NULL;
    END IF;
    RETURN top;
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ledger FROM PUBLIC;
