-- The few events that give somebody power are checked once more, by the database itself, from their bytes and from
-- what the ledger holds: decisions of people, the authorisation, the start of an execution and each intended action.
-- Whoever has the approver's or the executor's login can't record what no person signed, nor one person's two parts.
-- Signatures themselves are checked by the services: the database holds no keys to trust.

-- Stops an append for a reason: `ledger.append` answers it for the one request.
CREATE FUNCTION ledger.refuse(code text, told text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION '%: %', code, told USING ERRCODE = 'TU001';
END $$;

-- The part in a case that a person takes with an event of this type; null for none.
CREATE FUNCTION ledger.part_of(type text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN CASE type
    WHEN 'trueup.gap.confirmed.v1' THEN 'confirmer'
    WHEN 'trueup.gap.disputed.v1' THEN 'confirmer'
    WHEN 'trueup.approval.given.v1' THEN 'approver'
    WHEN 'trueup.release.given.v1' THEN 'releaser'
    WHEN 'trueup.outcome.recorded.v1' THEN 'implementer' END;

CREATE FUNCTION ledger.check_decision(kind text, of_case text, on_stream text, said jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    person CONSTANT text := said #>> '{data,decision,person}';
    part   CONSTANT text := ledger.part_of(kind);
    author text;
    other  text;
BEGIN
    IF coalesce(person, '') = '' OR said ->> 'actor' IS DISTINCT FROM 'person:' || person THEN
        PERFORM ledger.refuse('agent_identity', 'a decision is a person''s, and its actor is that person');
    END IF;
    IF split_part(coalesce(said ->> 'signature', ''), ':', 1) <> person
       OR length(said ->> 'signature') < length(person) + 80 THEN
        PERFORM ledger.refuse('signature_missing', 'the decision does not carry the signature of ' || person);
    END IF;
    IF kind = 'trueup.declaration.activated.v1' THEN
        SELECT e.event::jsonb #>> '{data,decision,person}' INTO author FROM ledger.events e
        WHERE e.stream = on_stream AND e.type = 'trueup.declaration.proposed.v1'
          AND e.event::jsonb #>> '{data,proposal}' = said #>> '{data,proposal}'
        ORDER BY e.version DESC LIMIT 1;
        IF author IS NULL THEN
            PERFORM ledger.refuse('proposal_unknown', 'nobody proposed this declaration');
        ELSIF author = person OR author IS DISTINCT FROM said #>> '{data,author}' THEN
            PERFORM ledger.refuse('author_decides', 'who proposed a declaration can''t activate it: ' || person);
        END IF;
    END IF;
    IF of_case IS DISTINCT FROM said #>> '{data,decision,case}' AND split_part(on_stream, '/', 1) = 'approval' THEN
        PERFORM ledger.refuse('wrong_case', 'the decision was made for another case than ' || of_case);
    END IF;
    IF part IS NULL THEN
        RETURN;
    END IF;
    SELECT e.event::jsonb #>> '{data,author}' INTO author FROM ledger.events e
    WHERE e.stream = 'declaration/DesiredState/' || split_part(of_case, '/', 1)
      AND e.type = 'trueup.declaration.activated.v1'
    ORDER BY e.version DESC LIMIT 1;
    IF author = person THEN
        PERFORM ledger.refuse('author_decides', person || ' wrote the declaration this case comes from');
    END IF;
    SELECT ledger.part_of(e.type) INTO other FROM ledger.events e
    WHERE e.case_id = of_case AND ledger.part_of(e.type) <> part
      AND e.event::jsonb #>> '{data,decision,person}' = person LIMIT 1;
    IF other IS NOT NULL THEN
        PERFORM ledger.refuse('not_apart', person || ' is the ' || other || ' of this case and can''t also be its ' || part);
    END IF;
    IF kind = 'trueup.approval.given.v1' AND EXISTS (
        SELECT FROM ledger.events e
        WHERE e.case_id = of_case AND e.type = kind
          AND e.event::jsonb #>> '{data,decision,person}' = person
          AND e.event::jsonb #>> '{data,decision,subject}' = said #>> '{data,decision,subject}') THEN
        PERFORM ledger.refuse('already_decided', person || ' has approved this plan already');
    END IF;
END $$;

CREATE FUNCTION ledger.check_authorisation(of_case text, data jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    confirmer text;
    people    text[];
BEGIN
    SELECT e.event::jsonb #>> '{data,decision,person}' INTO confirmer FROM ledger.events e
    WHERE e.id = data ->> 'confirmation' AND e.source = 'approver' AND e.case_id = of_case
      AND e.type = 'trueup.gap.confirmed.v1';
    IF confirmer IS NULL THEN
        PERFORM ledger.refuse('gate1_missing', 'the ledger holds no confirmation of this gap');
    END IF;
    SELECT array_agg(DISTINCT e.event::jsonb #>> '{data,decision,person}') INTO people
    FROM jsonb_array_elements_text(data -> 'approvals') AS a (id)
    JOIN ledger.events e ON e.id = a.id AND e.source = 'approver'
    WHERE e.case_id = of_case AND e.type = 'trueup.approval.given.v1'
      AND e.event::jsonb #>> '{data,decision,subject}' = data ->> 'digest';
    IF people IS NULL OR cardinality(people) < jsonb_array_length(data -> 'approvals') THEN
        PERFORM ledger.refuse('quorum_incomplete',
            'not every approval it names is in the ledger, for this digest and by a person of its own');
    END IF;
    IF confirmer = ANY (people) THEN
        PERFORM ledger.refuse('not_apart', confirmer || ' confirmed the gap and approved its plan');
    END IF;
END $$;

CREATE FUNCTION ledger.check_execution(kind text, of_case text, data jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF kind = 'trueup.execution.started.v1' THEN
        IF NOT EXISTS (
            SELECT FROM ledger.events e
            WHERE e.id = data ->> 'authorisation' AND e.source = 'approver' AND e.case_id = of_case
              AND e.type = 'trueup.plan.authorised.v1' AND e.event::jsonb #>> '{data,digest}' = data ->> 'digest') THEN
            PERFORM ledger.refuse('gate2_missing', 'the ledger holds no such authorisation of this plan');
        END IF;
        IF EXISTS (
            SELECT FROM ledger.events e
            WHERE e.case_id = of_case AND e.type = kind
              AND e.event::jsonb #>> '{data,authorisation}' = data ->> 'authorisation') THEN
            PERFORM ledger.refuse('already_consumed', 'the authorisation was used already');
        END IF;
        RETURN;
    END IF;
    IF NOT EXISTS (
        SELECT FROM ledger.events e
        WHERE e.case_id = of_case AND e.type = 'trueup.execution.started.v1'
          AND e.event::jsonb #>> '{data,plan}' = data ->> 'plan') THEN
        PERFORM ledger.refuse('gate2_missing', 'no execution of this plan was started');
    END IF;
    IF data ->> 'release' IS NOT NULL THEN
        IF NOT EXISTS (
            SELECT FROM ledger.events e
            WHERE e.id = data ->> 'release' AND e.source = 'approver' AND e.case_id = of_case
              AND e.type = 'trueup.release.given.v1' AND e.event::jsonb #>> '{data,step}' = data ->> 'step') THEN
            PERFORM ledger.refuse('release_missing', 'the ledger holds no such release of this step');
        END IF;
        IF EXISTS (
            SELECT FROM ledger.events e
            WHERE e.case_id = of_case AND e.type = kind
              AND e.event::jsonb #>> '{data,release}' = data ->> 'release') THEN
            PERFORM ledger.refuse('already_consumed', 'the release was used already');
        END IF;
    END IF;
END $$;

CREATE FUNCTION ledger.check_privileged() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    said CONSTANT jsonb := NEW.event::jsonb;
BEGIN
    IF split_part(NEW.stream, '/', 1) IN ('approval', 'execution')
       AND split_part(NEW.stream, '/', 1) || '/' || NEW.case_id IS DISTINCT FROM NEW.stream THEN
        PERFORM ledger.refuse('wrong_case', 'the event of ' || NEW.stream || ' names another case');
    END IF;
    IF NEW.type = 'trueup.plan.authorised.v1' THEN
        PERFORM ledger.check_authorisation(NEW.case_id, said -> 'data');
    ELSIF NEW.type IN ('trueup.execution.started.v1', 'trueup.action.intended.v1') THEN
        PERFORM ledger.check_execution(NEW.type, NEW.case_id, said -> 'data');
    ELSE
        PERFORM ledger.check_decision(NEW.type, NEW.case_id, NEW.stream, said);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER privileged BEFORE INSERT ON ledger.events FOR EACH ROW
    WHEN (NEW.type IN (
        'trueup.declaration.proposed.v1', 'trueup.declaration.activated.v1', 'trueup.gap.confirmed.v1',
        'trueup.gap.disputed.v1', 'trueup.approval.given.v1', 'trueup.approval.refused.v1', 'trueup.plan.returned.v1',
        'trueup.release.given.v1', 'trueup.outcome.recorded.v1', 'trueup.plan.authorised.v1',
        'trueup.execution.started.v1', 'trueup.action.intended.v1'))
    EXECUTE FUNCTION ledger.check_privileged();
ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER privileged;

-- Appends one request, or says why not. `top` is the last position given out before it.
CREATE OR REPLACE FUNCTION ledger.place(
    events text[], service text, rights jsonb, earliest text, latest text, top bigint, at timestamptz)
RETURNS TABLE (positions bigint[], reason text, message text, stored text[])
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    seen record;
    problem text;
BEGIN
    SELECT count(*) AS total, count(DISTINCT (e.source || ' ' || e.id)) AS ids,
           (array_agg(e.forbidden ORDER BY e.ordinal) FILTER (WHERE e.forbidden IS NOT NULL))[1] AS forbidden,
           (array_agg(e.obstacle ORDER BY e.ordinal) FILTER (WHERE e.obstacle IS NOT NULL))[1] AS obstacle,
           count(e.stored_position) AS known, coalesce(bool_and(e.stored_same), false) AS same,
           array_agg(e.stored_position ORDER BY e.ordinal) AS positions,
           array_agg(e.stored_event ORDER BY e.ordinal) AS stored
    INTO STRICT seen FROM ledger.examined(place.events, service, rights, earliest, latest) e;

    IF seen.forbidden IS NULL AND seen.known = seen.total AND seen.same THEN
        RETURN QUERY SELECT seen.positions, NULL::text, NULL::text, seen.stored;
        RETURN;
    END IF;
    problem := CASE
        WHEN seen.forbidden IS NOT NULL THEN seen.forbidden
        WHEN seen.known > 0 THEN 'id_clash: the ledger holds another event with the same source and id'
            || CASE WHEN seen.known < seen.total THEN ', or only a part of this request' ELSE '' END
        WHEN seen.ids < seen.total THEN 'id_clash: two events of one request have the same source and id'
        ELSE seen.obstacle END;
    IF problem IS NOT NULL THEN
        RETURN QUERY SELECT NULL::bigint[], split_part(problem, ': ', 1),
                            substr(problem, strpos(problem, ': ') + 2), NULL::text[];
        RETURN;
    END IF;
    BEGIN
        INSERT INTO ledger.events (position, event, source, id, stream, version, type, case_id, recorded_at)
        SELECT top + e.ordinal, e.event, e.source, e.id, e.stream, e.version, e.type, e.case_id, at
        FROM ledger.examined(place.events, service, rights, earliest, latest) e ORDER BY e.ordinal;
    EXCEPTION WHEN SQLSTATE 'TU001' THEN
        GET STACKED DIAGNOSTICS problem = MESSAGE_TEXT;
        RETURN QUERY SELECT NULL::bigint[], split_part(problem, ': ', 1),
                            substr(problem, strpos(problem, ': ') + 2), NULL::text[];
        RETURN;
    END;
    RETURN QUERY SELECT array_agg(top + i ORDER BY i), NULL::text, NULL::text, NULL::text[]
                 FROM generate_series(1, seen.total) AS i;
END $$;

-- Appends requests, each of one or more events. `requests[i]` numbers the request of `events[i]`; numbers ascend.
--
-- Answers one row without a request number when all of it was appended: {position of the first event}; the others
-- follow without a gap. Otherwise one row per request, in order: its positions, and either nothing else
-- (appended), the stored bytes (all of it was stored before: adopt them), or a reason and a message and no
-- positions (refused, nothing of it was appended). A refused request has no effect on the others. A second request
-- for the same stream follows the first. Holds the ledger's only lock until the transaction ends: it must be the
-- last statement.
CREATE OR REPLACE FUNCTION ledger.append(events text[], requests int[])
RETURNS TABLE (request int, positions bigint[], reason text, message text, stored text[])
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan   -- planning this costs more than running it
SET enable_seqscan = off                   -- a plan made while the table was small must not survive its growth
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    total    CONSTANT int := cardinality(events);
    service  CONSTANT text := ledger.session_service();
    rights   CONSTANT jsonb := ledger.session_rights();
    top      bigint;    -- the last position given out
    at       timestamptz;
    earliest text;
    latest   text;
    placed   int;
    first    int;
    last     int;
    found    record;
BEGIN
    IF total = 0 OR total > 10000 OR total IS DISTINCT FROM cardinality(requests) THEN
        RAISE EXCEPTION 'append takes 1 to 10000 events and the request number of each'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        -- The snapshot must be taken after the lock, or the checks read what was true before it.
        RAISE EXCEPTION 'append needs a READ COMMITTED transaction' USING ERRCODE = 'feature_not_supported';
    END IF;

    UPDATE ledger.head h SET position = h.position + total RETURNING h.position - total INTO STRICT top;
    at := clock_timestamp();
    earliest := to_char(at AT TIME ZONE 'UTC' - interval '5 minutes', 'YYYY-MM-DD"T"HH24:MI:SS');
    latest := to_char(at AT TIME ZONE 'UTC' + interval '5 minutes', 'YYYY-MM-DD"T"HH24:MI:SS');

    BEGIN
        -- All at once. Whatever there is to say against any of it stops it: a problem leaves the position empty,
        -- an id that is stored (or is there twice) breaks the unique key, the policy checks rights once more, and
        -- what a person or the executor may not do is refused by ledger.check_privileged.
        INSERT INTO ledger.events (position, event, source, id, stream, version, type, case_id, recorded_at)
        SELECT CASE WHEN e.forbidden IS NULL AND e.obstacle IS NULL THEN top + e.ordinal END,
               e.event, e.source, e.id, e.stream, e.version, e.type, e.case_id, at
        FROM ledger.examined(append.events, service, rights, earliest, latest) e;
        placed := total;
    EXCEPTION WHEN not_null_violation OR unique_violation OR insufficient_privilege OR SQLSTATE 'TU001' THEN
        placed := 0;
    END;

    IF placed = total THEN
        positions := ARRAY[top + 1];
        RETURN NEXT;
    ELSE
        -- Something is to be refused or adopted: one request after the other, each seeing what went before it.
        FOR request, first, last IN
            SELECT u.request, min(u.ordinal), max(u.ordinal)
            FROM unnest(requests) WITH ORDINALITY AS u (request, ordinal) GROUP BY u.request ORDER BY u.request
        LOOP
            SELECT * INTO STRICT found FROM ledger.place(events[first:last], service, rights, earliest, latest, top, at);
            positions := found.positions;
            reason := found.reason;
            message := found.message;
            stored := found.stored;
            IF reason IS NULL AND stored IS NULL THEN
                top := top + last - first + 1;
                placed := placed + last - first + 1;
            END IF;
            RETURN NEXT;
        END LOOP;
        UPDATE ledger.head h SET position = top;
    END IF;
    IF placed > 0 THEN
        PERFORM pg_notify('ledger_' || service, '');
    END IF;
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ledger FROM PUBLIC;
