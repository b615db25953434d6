-- One event appended alone, with less work: most of what that took was preparing expressions that run once.

-- The same privileged types, told apart in fewer words: the condition is read anew by every statement that inserts, and
-- reading a list of fifteen names cost more than all that it is asked of. It lets others through, too.
CREATE OR REPLACE FUNCTION ledger.check_privileged() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    said jsonb;
BEGIN
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
CREATE OR REPLACE TRIGGER privileged BEFORE INSERT ON ledger.events FOR EACH ROW
    WHEN (strpos('decla gap.c gap.d appro plan. relea outco execu actio erasu', substr(NEW.type, 8, 5)) > 0)
    EXECUTE FUNCTION ledger.check_privileged();
ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER privileged;

-- The same second check of role x category x type, with one look at the session's rights instead of two.
ALTER POLICY own_streams ON ledger.events WITH CHECK (
    split_part(stream, '/', 1) = (SELECT jsonb_build_object(s.service, s.rights)
                                  FROM ledger.services s WHERE s.role = session_user) -> source ->> type);

-- Appends one event, or has no effect and answers null: then ledger.append says what there is to say, or appends what
-- is not written as services write it. Answers the position. What it takes ledger.append would take, and nothing else
-- (see ledger.is_typed, ledger.too_deep, ledger.forbidden and ledger.obstacle, which say the same in more words: each
-- word is prepared again with every call). Holds the ledger's only lock until the transaction ends.
--
-- Put together again of what was read, without the attributes that are not there, the text is the same: so each is
-- there once, and of the type it was read as. Outside of a text nothing else can read ',"caseid":null'.
CREATE FUNCTION ledger.append_one(event text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan   -- as in ledger.append
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
#variable_conflict use_column
DECLARE
    service  text;
    rights   jsonb;     -- {type: category} of all that it may append
    signed   jsonb;     -- [type] of all that it signs
    top      bigint;    -- the position it gets
    at       timestamptz;
    earliest text;
    latest   text;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'append needs a READ COMMITTED transaction' USING ERRCODE = 'feature_not_supported';
    END IF;
    BEGIN
        UPDATE ledger.head h SET position = h.position + 1
        FROM ledger.services s WHERE s.role = session_user
        RETURNING h.position, s.service, s.rights, s.signed INTO top, service, rights, signed;
        at := clock_timestamp();
        earliest := to_char(at AT TIME ZONE 'UTC' - interval '5 minutes', 'YYYY-MM-DD"T"HH24:MI:SS');
        latest := to_char(at AT TIME ZONE 'UTC' + interval '5 minutes', 'YYYY-MM-DD"T"HH24:MI:SS');
        INSERT INTO ledger.events (position, event, source, id, stream, version, type, case_id, recorded_at)
        SELECT CASE
                   WHEN x.source = service AND split_part(x.subject, '/', 1) = rights ->> x.type
                    AND x.again = append_one.event AND x.specversion = '1.0' AND left(x.data::text, 1) = '{'
                    AND x.actor IS NOT NULL AND x.asof IS NOT NULL
                    AND coalesce(x.streamversion::text = x.version::text, true)
                    AND x."time" COLLATE "C" BETWEEN earliest AND latest
                    AND translate(x."time", '123456789', '000000000')
                        IN ('0000-00-00T00:00:00.000000Z', '0000-00-00T00:00:00Z')
                    AND octet_length(append_one.event) <= 900000
                    AND octet_length(append_one.event) - octet_length(translate(append_one.event, '{[', '')) < 256
                    AND (NOT signed ? x.type
                         OR x.signature ~ ('^service:' || service || '/[0-9a-f]{16}:[A-Za-z0-9+/]{86}==$'))
                   THEN top END,
               append_one.event, x.source, x.id, x.subject, x.version, x.type, x.caseid, at
        FROM (SELECT x.*, replace(replace(replace(replace(replace(replace(row_to_json(x)::text,
                         ',"caseid":null', ''), ',"causationid":null', ''), ',"correlationid":null', ''),
                         ',"signature":null', ''), ',"streamversion":null', ''), ',"traceparent":null', '') AS again,
                     coalesce((SELECT e.version FROM ledger.events e WHERE e.stream = x.subject COLLATE "C"
                               ORDER BY e.version DESC LIMIT 1), 0) + 1 AS version
              FROM json_to_record(append_one.event::json) AS x (
                  actor text, asof text, caseid text, causationid text, correlationid text, data json,
                  datacontenttype text, id text, signature text, source text, specversion text, streamversion json,
                  subject text, "time" text, traceparent text, type text)
              OFFSET 0) x;   -- or the version is looked up once for each place that names it
    EXCEPTION WHEN not_null_violation OR unique_violation OR insufficient_privilege OR SQLSTATE 'TU001' THEN
        RETURN NULL;
    END;
    PERFORM pg_notify('ledger_' || service, '');
    RETURN top;
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ledger FROM PUBLIC;
