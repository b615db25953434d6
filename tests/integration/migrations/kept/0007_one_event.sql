SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

CREATE SCHEMA approver;

ALTER SCHEMA approver OWNER TO {realm}_approver;

CREATE SCHEMA auditor;

ALTER SCHEMA auditor OWNER TO {realm}_auditor;

CREATE SCHEMA differ;

ALTER SCHEMA differ OWNER TO {realm}_differ;

CREATE SCHEMA executor;

ALTER SCHEMA executor OWNER TO {realm}_executor;

CREATE SCHEMA ledger;

ALTER SCHEMA ledger OWNER TO {realm}_owner;

CREATE SCHEMA observer;

ALTER SCHEMA observer OWNER TO {realm}_observer;

CREATE SCHEMA planner;

ALTER SCHEMA planner OWNER TO {realm}_planner;

CREATE FUNCTION ledger.append(events text[], requests integer[], apart boolean DEFAULT false) RETURNS TABLE(request integer, positions bigint[], reason text, message text, stored text[])
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET jit TO 'off'
    AS $$
#variable_conflict use_column
DECLARE
    total    CONSTANT int := cardinality(events);
    service  text;
    rights   jsonb;     -- {type: category} of all that it may append
    signed   jsonb;     -- [type] of all that it signs
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
    SELECT s.service, s.rights, s.signed INTO service, rights, signed
    FROM ledger.services s WHERE s.role = session_user;

    UPDATE ledger.head h SET position = h.position + total RETURNING h.position - total INTO STRICT top;
    at := clock_timestamp();
    earliest := to_char(at AT TIME ZONE 'UTC' - interval '5 minutes', 'YYYY-MM-DD"T"HH24:MI:SS');
    latest := to_char(at AT TIME ZONE 'UTC' + interval '5 minutes', 'YYYY-MM-DD"T"HH24:MI:SS');

    BEGIN
        -- All at once. Whatever there is to say against any of it stops it: a problem leaves the position empty,
        -- an id that is stored (or is there twice) breaks the unique key, and so does a stream that comes twice where
        -- that was not expected; the policy checks rights once more, and what a person or the executor may not do is
        -- refused by ledger.check_privileged.
        IF apart OR total = 1 THEN
            INSERT INTO ledger.events (position, event, source, id, stream, version, type, case_id, recorded_at)
            SELECT CASE WHEN ledger.forbidden(e.event, e.typed, e.source, e.id, e.stream, e.type, e.written,
                                              e.signature, service, rights, signed) IS NULL
                         AND ledger.obstacle(e.stream, e.last + 1, e.expected, e.written, earliest, latest) IS NULL
                        THEN top + e.ordinal END,
                   e.event, e.source, e.id, e.stream, e.last + 1, e.type, e.case_id, at
            FROM ledger.said(append.events) e;
        ELSE
            INSERT INTO ledger.events (position, event, source, id, stream, version, type, case_id, recorded_at)
            SELECT CASE WHEN e.forbidden IS NULL AND e.obstacle IS NULL THEN top + e.ordinal END,
                   e.event, e.source, e.id, e.stream, e.version, e.type, e.case_id, at
            FROM ledger.examined(append.events, service, rights, signed, earliest, latest) e;
        END IF;
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
            SELECT * INTO STRICT found
            FROM ledger.place(events[first:last], service, rights, signed, earliest, latest, top, at);
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

ALTER FUNCTION ledger.append(events text[], requests integer[], apart boolean) OWNER TO {realm}_owner;

CREATE FUNCTION ledger.append_one(event text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    AS $_$
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
END $_$;

ALTER FUNCTION ledger.append_one(event text) OWNER TO {realm}_owner;

CREATE FUNCTION ledger.check_authorisation(of_case text, data jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
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

ALTER FUNCTION ledger.check_authorisation(of_case text, data jsonb) OWNER TO {realm}_owner;

CREATE FUNCTION ledger.check_decision(kind text, of_case text, on_stream text, said jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
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

ALTER FUNCTION ledger.check_decision(kind text, of_case text, on_stream text, said jsonb) OWNER TO {realm}_owner;

CREATE FUNCTION ledger.check_erasure(kind text, on_stream text, said jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    subject CONSTANT text := (said #>> '{data,entity_type}') || '/' || (said #>> '{data,key}');
    person  CONSTANT text := said #>> '{data,decision,person}';
    request jsonb;
BEGIN
    IF split_part(on_stream, '/', 1) || '/' || subject IS DISTINCT FROM on_stream THEN
        PERFORM ledger.refuse('wrong_case', 'the event of ' || on_stream || ' is about another subject');
    END IF;
    IF kind = 'trueup.erasure.done.v1' THEN
        IF NOT EXISTS (
            SELECT FROM ledger.events e
            WHERE e.id = said #>> '{data,approval}' AND e.source = 'approver' AND e.stream = 'erasure/' || subject
              AND e.type = 'trueup.erasure.approved.v1') THEN
            PERFORM ledger.refuse('erasure_not_approved', 'the ledger holds no such approval of this erasure');
        END IF;
        RETURN;
    END IF;
    PERFORM ledger.check_decision(kind, NULL, on_stream, said);
    IF said #>> '{data,decision,case}' IS DISTINCT FROM on_stream THEN
        PERFORM ledger.refuse('wrong_case', 'the decision was made about another erasure than ' || on_stream);
    END IF;
    IF kind = 'trueup.erasure.requested.v1' THEN
        RETURN;
    END IF;
    SELECT e.event::jsonb INTO request FROM ledger.events e
    WHERE e.id = said #>> '{data,request}' AND e.source = 'approver' AND e.stream = on_stream
      AND e.type = 'trueup.erasure.requested.v1';
    IF request IS NULL THEN
        PERFORM ledger.refuse('erasure_unknown', 'the ledger holds no such request to erase ' || subject);
    END IF;
    IF said #>> '{data,decision,subject}' IS DISTINCT FROM request ->> 'id' THEN
        PERFORM ledger.refuse('stale_digest', 'what was signed is not the approval of request ' || (request ->> 'id'));
    END IF;
    PERFORM ledger.check_decision('trueup.erasure.requested.v1', NULL, on_stream, request);
    IF request #>> '{data,decision,person}' = person THEN
        PERFORM ledger.refuse('requester_decides', person || ' asked for this erasure and can''t approve it');
    END IF;
END $$;

ALTER FUNCTION ledger.check_erasure(kind text, on_stream text, said jsonb) OWNER TO {realm}_owner;

CREATE FUNCTION ledger.check_execution(kind text, of_case text, data jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
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

ALTER FUNCTION ledger.check_execution(kind text, of_case text, data jsonb) OWNER TO {realm}_owner;

CREATE FUNCTION ledger.check_privileged() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
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

ALTER FUNCTION ledger.check_privileged() OWNER TO {realm}_owner;

CREATE FUNCTION ledger.check_progress() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    was  bigint := -1;
    head bigint;
BEGIN
    IF ledger.session_service() IS NULL THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        was := OLD.position;
    END IF;
    SELECT h.position INTO STRICT head FROM ledger.head h;
    IF NEW.position < was OR NEW.position > head THEN
        RAISE EXCEPTION 'progress_fenced: % of % goes from % to %; it may only grow, up to %',
                        TG_TABLE_NAME, NEW.service, was, NEW.position, head
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'Only an administrator sets it back: trueup bus rebuild.';
    END IF;
    RETURN NEW;
END $$;

ALTER FUNCTION ledger.check_progress() OWNER TO {realm}_owner;

CREATE FUNCTION ledger.too_deep(event text) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN CASE WHEN ((octet_length(event) < 512) OR ((octet_length(event) - octet_length(replace(replace(event, '{'::text, ''::text), '['::text, ''::text))) < 256)) THEN false ELSE jsonb_path_exists((event)::jsonb, '$.**{256}'::jsonpath) END;

ALTER FUNCTION ledger.too_deep(event text) OWNER TO {realm}_owner;

CREATE FUNCTION ledger.forbidden(event text, typed boolean, source text, id text, stream text, type text, written text, signature text, service text, rights jsonb, signed jsonb) RETURNS text
    LANGUAGE sql STABLE
    RETURN CASE WHEN ((id IS NULL) OR (stream IS NULL) OR (source IS NULL) OR (type IS NULL) OR (written IS NULL) OR (typed IS NOT TRUE)) THEN 'malformed_event: an event needs specversion 1.0, id, source, type, subject, time, asof, actor and data, each of its JSON type'::text WHEN (translate(written, '123456789'::text, '000000000'::text) <> ALL (ARRAY['0000-00-00T00:00:00.000000Z'::text, '0000-00-00T00:00:00Z'::text])) THEN 'malformed_event: its time is not written as 2026-01-31T23:59:59Z or 2026-01-31T23:59:59.999999Z'::text WHEN ledger.too_deep(event) THEN 'malformed_event: it is nested deeper than 255 levels'::text WHEN (octet_length(event) > 900000) THEN (('oversized: the event has '::text || octet_length(event)) || ' bytes; at most 900000 are accepted'::text) WHEN (((source = service) AND (split_part(stream, '/'::text, 1) = (rights ->> type))) IS NOT TRUE) THEN ((((((('forbidden_stream: the role '::text || (SESSION_USER)::text) || ' may not append '::text) || type) || ' as '::text) || source) || ' to the stream '::text) || stream) WHEN ((signed ? type) AND ((signature ~ (('^service:'::text || service) || '/[0-9a-f]{16}:[A-Za-z0-9+/]{86}==$'::text)) IS NOT TRUE)) THEN ((('signature_missing: '::text || type) || ' needs the signature of the service '::text) || service) ELSE NULL::text END;

ALTER FUNCTION ledger.forbidden(event text, typed boolean, source text, id text, stream text, type text, written text, signature text, service text, rights jsonb, signed jsonb) OWNER TO {realm}_owner;

CREATE FUNCTION ledger.whole(said text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    RETURN (((length(said) >= 1) AND (length(said) <= 18)) AND (translate(said, '0123456789'::text, ''::text) = ''::text));

ALTER FUNCTION ledger.whole(said text) OWNER TO {realm}_owner;

CREATE FUNCTION ledger.typed(event json) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    RETURN ((((event -> 'specversion'::text))::text = '"1.0"'::text) AND (json_typeof((event -> 'data'::text)) = 'object'::text) AND ((COALESCE(json_typeof((event -> 'streamversion'::text)), 'null'::text) = 'null'::text) OR ledger.whole(((event -> 'streamversion'::text))::text)) AND (SELECT bool_and(((COALESCE(json_typeof((typed.event -> a.name)), 'null'::text) = 'string'::text) OR (a.optional AND (COALESCE(json_typeof((typed.event -> a.name)), 'null'::text) = 'null'::text)))) AS bool_and FROM (VALUES ('actor'::text,false), ('asof'::text,false), ('caseid'::text,true), ('causationid'::text,true), ('correlationid'::text,true), ('id'::text,false), ('signature'::text,true), ('source'::text,false), ('subject'::text,false), ('time'::text,false), ('traceparent'::text,true), ('type'::text,false)) a(name, optional)));

ALTER FUNCTION ledger.typed(event json) OWNER TO {realm}_owner;

CREATE FUNCTION ledger.is_typed(event text, actor text, asof text, case_id text, causation text, correlation text, data json, id text, signature text, source text, expected text, stream text, written text, trace text, type text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN (event = ((((((((((((((((((((((('{"actor":"'::text || actor) || '","asof":"'::text) || asof) || COALESCE(('","caseid":"'::text || case_id), ''::text)) || COALESCE(('","causationid":"'::text || causation), ''::text)) || COALESCE(('","correlationid":"'::text || correlation), ''::text)) || '","data":'::text) || (data)::text) || ',"datacontenttype":"application/json","id":"'::text) || id) || COALESCE(('","signature":"'::text || signature), ''::text)) || '","source":"'::text) || source) || '","specversion":"1.0"'::text) || COALESCE((',"streamversion":'::text || expected), ''::text)) || ',"subject":"'::text) || stream) || '","time":"'::text) || written) || COALESCE(('","traceparent":"'::text || trace), ''::text)) || '","type":"'::text) || type) || '"}'::text)) THEN (("left"((data)::text, 1) = '{'::text) AND ((expected IS NULL) OR ledger.whole(expected))) ELSE ledger.typed((event)::json) END;

ALTER FUNCTION ledger.is_typed(event text, actor text, asof text, case_id text, causation text, correlation text, data json, id text, signature text, source text, expected text, stream text, written text, trace text, type text) OWNER TO {realm}_owner;

CREATE FUNCTION ledger.obstacle(stream text, version bigint, expected bigint, written text, earliest text, latest text) RETURNS text
    LANGUAGE sql STABLE
    RETURN CASE WHEN (((written COLLATE "C") < earliest) OR ((written COLLATE "C") > latest)) THEN (((((('time_out_of_bounds: the event says '::text || written) || '; the database accepts '::text) || earliest) || ' to '::text) || latest) || '; check the clocks'::text) WHEN (expected <> version) THEN (((((('version_conflict: the stream '::text || stream) || ' is at version '::text) || (version - 1)) || ', and version '::text) || expected) || ' was expected to come next'::text) ELSE NULL::text END;

ALTER FUNCTION ledger.obstacle(stream text, version bigint, expected bigint, written text, earliest text, latest text) OWNER TO {realm}_owner;

SET default_tablespace = '';

SET default_table_access_method = heap;

CREATE TABLE ledger.events (
    "position" bigint NOT NULL,
    event text NOT NULL,
    source text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    stream text NOT NULL COLLATE pg_catalog."C",
    version bigint NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    case_id text COLLATE pg_catalog."C",
    recorded_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY ledger.events FORCE ROW LEVEL SECURITY;

ALTER TABLE ledger.events OWNER TO {realm}_owner;

CREATE FUNCTION ledger.said(events text[]) RETURNS TABLE(ordinal bigint, event text, typed boolean, source text, id text, stream text, type text, case_id text, expected bigint, written text, signature text, last bigint)
    LANGUAGE sql STABLE
    BEGIN ATOMIC
 SELECT g.ordinal,
     g.event,
     ledger.is_typed(g.event, x.actor, x.asof, x.caseid, x.causationid, x.correlationid, x.data, x.id, x.signature, x.source, x.streamversion, x.subject, x."time", x.traceparent, x.type) AS is_typed,
     (x.source COLLATE "C") AS source,
     (x.id COLLATE "C") AS id,
     (x.subject COLLATE "C") AS subject,
     (x.type COLLATE "C") AS type,
     (x.caseid COLLATE "C") AS caseid,
         CASE
             WHEN ledger.whole(x.streamversion) THEN (x.streamversion)::bigint
             ELSE NULL::bigint
         END AS "case",
     x."time",
     x.signature,
     COALESCE(l.version, (0)::bigint) AS "coalesce"
    FROM ((unnest(said.events) WITH ORDINALITY g(event, ordinal)
      CROSS JOIN LATERAL json_to_record((g.event)::json) x(actor text, asof text, caseid text, causationid text, correlationid text, data json, id text, signature text, source text, streamversion text, subject text, "time" text, traceparent text, type text))
      LEFT JOIN LATERAL ( SELECT e.version
            FROM ledger.events e
           WHERE (e.stream = (x.subject COLLATE "C"))
           ORDER BY e.version DESC
          LIMIT 1) l ON (true));
END;

ALTER FUNCTION ledger.said(events text[]) OWNER TO {realm}_owner;

CREATE FUNCTION ledger.examined(events text[], service text, rights jsonb, signed jsonb, earliest text, latest text) RETURNS TABLE(ordinal bigint, event text, source text, id text, stream text, version bigint, type text, case_id text, forbidden text, obstacle text, stored_position bigint, stored_event text, stored_same boolean)
    LANGUAGE sql STABLE
    BEGIN ATOMIC
 SELECT n.ordinal,
     n.event,
     n.source,
     n.id,
     n.stream,
     n.version,
     n.type,
     n.case_id,
     ledger.forbidden(n.event, n.typed, n.source, n.id, n.stream, n.type, n.written, n.signature, examined.service, examined.rights, examined.signed) AS forbidden,
     ledger.obstacle(n.stream, n.version, n.expected, n.written, examined.earliest, examined.latest) AS obstacle,
     s."position",
     s.event,
     ((s.stream = n.stream) AND (s.type = n.type))
    FROM (( SELECT x.ordinal,
             x.event,
             x.typed,
             x.source,
             x.id,
             x.stream,
             x.type,
             x.case_id,
             x.expected,
             x.written,
             x.signature,
             x.last,
             (x.last + row_number() OVER (PARTITION BY x.stream ORDER BY x.ordinal)) AS version
            FROM ledger.said(examined.events) x(ordinal, event, typed, source, id, stream, type, case_id, expected, written, signature, last)) n
      LEFT JOIN ledger.events s ON (((s.id = n.id) AND (s.source = n.source))));
END;

ALTER FUNCTION ledger.examined(events text[], service text, rights jsonb, signed jsonb, earliest text, latest text) OWNER TO {realm}_owner;

CREATE FUNCTION ledger.part_of(type text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN CASE type WHEN 'trueup.gap.confirmed.v1'::text THEN 'confirmer'::text WHEN 'trueup.gap.disputed.v1'::text THEN 'confirmer'::text WHEN 'trueup.approval.given.v1'::text THEN 'approver'::text WHEN 'trueup.release.given.v1'::text THEN 'releaser'::text WHEN 'trueup.outcome.recorded.v1'::text THEN 'implementer'::text ELSE NULL::text END;

ALTER FUNCTION ledger.part_of(type text) OWNER TO {realm}_owner;

CREATE FUNCTION ledger.place(events text[], service text, rights jsonb, signed jsonb, earliest text, latest text, top bigint, at timestamp with time zone) RETURNS TABLE(positions bigint[], reason text, message text, stored text[])
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
    INTO STRICT seen FROM ledger.examined(place.events, service, rights, signed, earliest, latest) e;

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
    IF problem IS NULL THEN
        BEGIN
            INSERT INTO ledger.events (position, event, source, id, stream, version, type, case_id, recorded_at)
            SELECT top + e.ordinal, e.event, e.source, e.id, e.stream, e.version, e.type, e.case_id, at
            FROM ledger.examined(place.events, service, rights, signed, earliest, latest) e ORDER BY e.ordinal;
        EXCEPTION WHEN SQLSTATE 'TU001' THEN
            GET STACKED DIAGNOSTICS problem = MESSAGE_TEXT;
        END;
    END IF;
    IF problem IS NOT NULL THEN
        RETURN QUERY SELECT NULL::bigint[], split_part(problem, ': ', 1),
                            substr(problem, strpos(problem, ': ') + 2), NULL::text[];
        RETURN;
    END IF;
    RETURN QUERY SELECT array_agg(top + i ORDER BY i), NULL::text, NULL::text, NULL::text[]
                 FROM generate_series(1, seen.total) AS i;
END $$;

ALTER FUNCTION ledger.place(events text[], service text, rights jsonb, signed jsonb, earliest text, latest text, top bigint, at timestamp with time zone) OWNER TO {realm}_owner;

CREATE FUNCTION ledger.refuse(code text, told text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RAISE EXCEPTION '%: %', code, told USING ERRCODE = 'TU001';
END $$;

ALTER FUNCTION ledger.refuse(code text, told text) OWNER TO {realm}_owner;

CREATE FUNCTION ledger.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: % by % is refused', TG_OP, session_user
        USING ERRCODE = 'insufficient_privilege', HINT = 'Append through ledger.append().';
END $$;

ALTER FUNCTION ledger.refuse_change() OWNER TO {realm}_owner;

CREATE TABLE ledger.services (
    role name NOT NULL,
    service text NOT NULL COLLATE pg_catalog."C",
    rights jsonb DEFAULT '{}'::jsonb NOT NULL,
    signed jsonb DEFAULT '[]'::jsonb NOT NULL
);

ALTER TABLE ledger.services OWNER TO {realm}_owner;

CREATE FUNCTION ledger.session_service() RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN (SELECT s.service FROM ledger.services s WHERE (s.role = SESSION_USER));

ALTER FUNCTION ledger.session_service() OWNER TO {realm}_owner;

CREATE TABLE approver.cases (
    case_id text NOT NULL COLLATE pg_catalog."C",
    desired_state text NOT NULL COLLATE pg_catalog."C",
    entity_type text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    stage text NOT NULL COLLATE pg_catalog."C",
    ticket_open boolean NOT NULL,
    people text[] NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL
);

ALTER TABLE approver.cases OWNER TO {realm}_approver;

CREATE TABLE approver.complete_snapshots (
    feed text NOT NULL,
    entity_type text NOT NULL COLLATE pg_catalog."C",
    as_of timestamp with time zone NOT NULL
);

ALTER TABLE approver.complete_snapshots OWNER TO {realm}_approver;

CREATE TABLE approver.entities (
    entity_type text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    "row" text,
    feed text NOT NULL,
    source_time timestamp with time zone NOT NULL,
    sequence bigint NOT NULL,
    event_id text NOT NULL COLLATE pg_catalog."C",
    "position" bigint NOT NULL,
    as_of timestamp with time zone NOT NULL,
    withdrawn boolean NOT NULL
);

ALTER TABLE approver.entities OWNER TO {realm}_approver;

CREATE TABLE approver.entity_events (
    entity_type text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    event_id text NOT NULL COLLATE pg_catalog."C",
    source_time timestamp with time zone NOT NULL,
    sequence bigint NOT NULL,
    "row" text NOT NULL
);

ALTER TABLE approver.entity_events OWNER TO {realm}_approver;

CREATE TABLE approver.entity_links (
    entity_type text NOT NULL COLLATE pg_catalog."C",
    through text NOT NULL COLLATE pg_catalog."C",
    target text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C"
);

ALTER TABLE approver.entity_links OWNER TO {realm}_approver;

CREATE TABLE approver.entity_progress (
    one boolean DEFAULT true NOT NULL,
    "position" bigint DEFAULT '-1'::integer NOT NULL,
    links text DEFAULT ''::text NOT NULL,
    CONSTRAINT entity_progress_one_check CHECK (one)
);

ALTER TABLE approver.entity_progress OWNER TO {realm}_approver;

CREATE TABLE approver.snapshot_parts (
    feed text NOT NULL,
    entity_type text NOT NULL,
    snapshot text NOT NULL,
    part integer NOT NULL,
    as_of timestamp with time zone NOT NULL
);

ALTER TABLE approver.snapshot_parts OWNER TO {realm}_approver;

CREATE TABLE approver.sources (
    feed text NOT NULL COLLATE pg_catalog."C",
    heard timestamp with time zone NOT NULL,
    doubts text NOT NULL,
    judged bigint NOT NULL
);

ALTER TABLE approver.sources OWNER TO {realm}_approver;

CREATE TABLE approver.tasks (
    case_id text NOT NULL COLLATE pg_catalog."C",
    step integer NOT NULL,
    body text NOT NULL
);

ALTER TABLE approver.tasks OWNER TO {realm}_approver;

CREATE TABLE approver.timers (
    subject text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    instant timestamp with time zone NOT NULL
);

ALTER TABLE approver.timers OWNER TO {realm}_approver;

CREATE TABLE auditor.alarms (
    id bigint NOT NULL,
    witness text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    message text NOT NULL,
    note bytea NOT NULL,
    raised_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT alarms_kind CHECK ((kind = ANY (ARRAY['rewritten'::text, 'rolled_back'::text])))
);

ALTER TABLE auditor.alarms OWNER TO {realm}_auditor;

ALTER TABLE auditor.alarms ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME auditor.alarms_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE auditor.attestations (
    case_id text NOT NULL COLLATE pg_catalog."C",
    digest text NOT NULL,
    issued timestamp with time zone NOT NULL,
    how text NOT NULL,
    simulated boolean NOT NULL,
    document bytea NOT NULL
);

ALTER TABLE auditor.attestations OWNER TO {realm}_auditor;

CREATE TABLE auditor.cases (
    case_id text NOT NULL COLLATE pg_catalog."C",
    desired_state text NOT NULL COLLATE pg_catalog."C",
    entity_type text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    occurrence integer NOT NULL,
    severity text NOT NULL,
    stage text NOT NULL COLLATE pg_catalog."C",
    rules text[] NOT NULL,
    opened timestamp with time zone NOT NULL,
    changed timestamp with time zone NOT NULL,
    how text,
    watched boolean NOT NULL
);

ALTER TABLE auditor.cases OWNER TO {realm}_auditor;

CREATE TABLE auditor.checkpoints (
    size bigint NOT NULL,
    former bigint NOT NULL,
    note bytea NOT NULL,
    sealed_at timestamp with time zone NOT NULL,
    cosigned boolean NOT NULL,
    CONSTRAINT checkpoints_grow CHECK (((former >= 0) AND (former < size)))
);

ALTER TABLE auditor.checkpoints OWNER TO {realm}_auditor;

CREATE TABLE auditor.complete_snapshots (
    feed text NOT NULL,
    entity_type text NOT NULL COLLATE pg_catalog."C",
    as_of timestamp with time zone NOT NULL
);

ALTER TABLE auditor.complete_snapshots OWNER TO {realm}_auditor;

CREATE TABLE auditor.entities (
    entity_type text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    "row" text,
    feed text NOT NULL,
    source_time timestamp with time zone NOT NULL,
    sequence bigint NOT NULL,
    event_id text NOT NULL COLLATE pg_catalog."C",
    "position" bigint NOT NULL,
    as_of timestamp with time zone NOT NULL,
    withdrawn boolean NOT NULL
);

ALTER TABLE auditor.entities OWNER TO {realm}_auditor;

CREATE TABLE auditor.entity_events (
    entity_type text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    event_id text NOT NULL COLLATE pg_catalog."C",
    source_time timestamp with time zone NOT NULL,
    sequence bigint NOT NULL,
    "row" text NOT NULL
);

ALTER TABLE auditor.entity_events OWNER TO {realm}_auditor;

CREATE TABLE auditor.entity_links (
    entity_type text NOT NULL COLLATE pg_catalog."C",
    through text NOT NULL COLLATE pg_catalog."C",
    target text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C"
);

ALTER TABLE auditor.entity_links OWNER TO {realm}_auditor;

CREATE TABLE auditor.entity_progress (
    one boolean DEFAULT true NOT NULL,
    "position" bigint DEFAULT '-1'::integer NOT NULL,
    links text DEFAULT ''::text NOT NULL,
    CONSTRAINT entity_progress_one_check CHECK (one)
);

ALTER TABLE auditor.entity_progress OWNER TO {realm}_auditor;

CREATE TABLE auditor.jobs (
    case_id text NOT NULL COLLATE pg_catalog."C",
    reason text NOT NULL,
    generation bigint DEFAULT 1 NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    put_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    not_before timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    token text,
    leased_until timestamp with time zone,
    parked text,
    error text
);

ALTER TABLE auditor.jobs OWNER TO {realm}_auditor;

CREATE TABLE auditor.snapshot_parts (
    feed text NOT NULL,
    entity_type text NOT NULL,
    snapshot text NOT NULL,
    part integer NOT NULL,
    as_of timestamp with time zone NOT NULL
);

ALTER TABLE auditor.snapshot_parts OWNER TO {realm}_auditor;

CREATE TABLE auditor.sources (
    feed text NOT NULL COLLATE pg_catalog."C",
    heard timestamp with time zone NOT NULL,
    doubts text NOT NULL,
    judged bigint NOT NULL
);

ALTER TABLE auditor.sources OWNER TO {realm}_auditor;

CREATE TABLE auditor.tiles (
    level smallint NOT NULL,
    n bigint NOT NULL,
    width smallint NOT NULL,
    hashes bytea NOT NULL,
    CONSTRAINT tiles_hashes CHECK ((octet_length(hashes) = (32 * width))),
    CONSTRAINT tiles_level CHECK (((level >= 0) AND (level <= 63))),
    CONSTRAINT tiles_n CHECK ((n >= 0)),
    CONSTRAINT tiles_width CHECK (((width >= 1) AND (width <= 256)))
);
ALTER TABLE ONLY auditor.tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;

ALTER TABLE auditor.tiles OWNER TO {realm}_auditor;

CREATE TABLE auditor.timers (
    subject text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    instant timestamp with time zone NOT NULL
);

ALTER TABLE auditor.timers OWNER TO {realm}_auditor;

CREATE TABLE differ.cases (
    desired_state text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    entity_type text NOT NULL COLLATE pg_catalog."C",
    occurrence integer NOT NULL,
    condition text NOT NULL,
    ended boolean NOT NULL,
    stream_version integer NOT NULL,
    fingerprint text NOT NULL,
    gap text NOT NULL,
    selector_unknown text,
    exempt text,
    met_since timestamp with time zone,
    closes_at timestamp with time zone
);

ALTER TABLE differ.cases OWNER TO {realm}_differ;

CREATE TABLE differ.clock (
    one boolean DEFAULT true NOT NULL,
    at timestamp with time zone NOT NULL,
    CONSTRAINT clock_only_one CHECK (one)
);

ALTER TABLE differ.clock OWNER TO {realm}_differ;

CREATE TABLE differ.complete_snapshots (
    feed text NOT NULL,
    entity_type text NOT NULL COLLATE pg_catalog."C",
    as_of timestamp with time zone NOT NULL
);

ALTER TABLE differ.complete_snapshots OWNER TO {realm}_differ;

CREATE TABLE differ.contributions (
    desired_state text NOT NULL COLLATE pg_catalog."C",
    objective text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    surely boolean NOT NULL,
    answer boolean,
    at timestamp with time zone,
    dated boolean NOT NULL,
    start timestamp with time zone,
    stop timestamp with time zone,
    stop_unknown boolean NOT NULL,
    still text DEFAULT ''::text NOT NULL
);

ALTER TABLE differ.contributions OWNER TO {realm}_differ;

CREATE TABLE differ.entities (
    entity_type text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    "row" text,
    feed text NOT NULL,
    source_time timestamp with time zone NOT NULL,
    sequence bigint NOT NULL,
    event_id text NOT NULL COLLATE pg_catalog."C",
    "position" bigint NOT NULL,
    as_of timestamp with time zone NOT NULL,
    withdrawn boolean NOT NULL
);

ALTER TABLE differ.entities OWNER TO {realm}_differ;

CREATE TABLE differ.entity_events (
    entity_type text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    event_id text NOT NULL COLLATE pg_catalog."C",
    source_time timestamp with time zone NOT NULL,
    sequence bigint NOT NULL,
    "row" text NOT NULL
);

ALTER TABLE differ.entity_events OWNER TO {realm}_differ;

CREATE TABLE differ.entity_links (
    entity_type text NOT NULL COLLATE pg_catalog."C",
    through text NOT NULL COLLATE pg_catalog."C",
    target text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C"
);

ALTER TABLE differ.entity_links OWNER TO {realm}_differ;

CREATE TABLE differ.entity_progress (
    one boolean DEFAULT true NOT NULL,
    "position" bigint DEFAULT '-1'::integer NOT NULL,
    links text DEFAULT ''::text NOT NULL,
    CONSTRAINT entity_progress_one_check CHECK (one)
);

ALTER TABLE differ.entity_progress OWNER TO {realm}_differ;

CREATE TABLE differ.measures (
    desired_state text NOT NULL COLLATE pg_catalog."C"
);

ALTER TABLE differ.measures OWNER TO {realm}_differ;

CREATE TABLE differ.reviewed (
    desired_state text NOT NULL COLLATE pg_catalog."C",
    version text NOT NULL,
    "position" bigint
);

ALTER TABLE differ.reviewed OWNER TO {realm}_differ;

CREATE TABLE differ.reviews (
    desired_state text NOT NULL COLLATE pg_catalog."C",
    entity_type text NOT NULL COLLATE pg_catalog."C",
    after_key text NOT NULL COLLATE pg_catalog."C",
    cause bigint NOT NULL,
    since bigint
);

ALTER TABLE differ.reviews OWNER TO {realm}_differ;

CREATE TABLE differ.snapshot_parts (
    feed text NOT NULL,
    entity_type text NOT NULL,
    snapshot text NOT NULL,
    part integer NOT NULL,
    as_of timestamp with time zone NOT NULL
);

ALTER TABLE differ.snapshot_parts OWNER TO {realm}_differ;

CREATE TABLE differ.sources (
    feed text NOT NULL COLLATE pg_catalog."C",
    heard timestamp with time zone NOT NULL,
    doubts text NOT NULL,
    judged bigint NOT NULL
);

ALTER TABLE differ.sources OWNER TO {realm}_differ;

CREATE TABLE differ.timers (
    subject text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    instant timestamp with time zone NOT NULL
);

ALTER TABLE differ.timers OWNER TO {realm}_differ;

CREATE TABLE executor.actions (
    intent text NOT NULL COLLATE pg_catalog."C",
    case_id text NOT NULL COLLATE pg_catalog."C",
    action text NOT NULL COLLATE pg_catalog."C",
    realm_day date NOT NULL,
    state text NOT NULL,
    CONSTRAINT actions_state_check CHECK ((state = ANY (ARRAY['open'::text, 'succeeded'::text, 'failed'::text, 'unknown'::text])))
);

ALTER TABLE executor.actions OWNER TO {realm}_executor;

CREATE TABLE executor.complete_snapshots (
    feed text NOT NULL,
    entity_type text NOT NULL COLLATE pg_catalog."C",
    as_of timestamp with time zone NOT NULL
);

ALTER TABLE executor.complete_snapshots OWNER TO {realm}_executor;

CREATE TABLE executor.entities (
    entity_type text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    "row" text,
    feed text NOT NULL,
    source_time timestamp with time zone NOT NULL,
    sequence bigint NOT NULL,
    event_id text NOT NULL COLLATE pg_catalog."C",
    "position" bigint NOT NULL,
    as_of timestamp with time zone NOT NULL,
    withdrawn boolean NOT NULL
);

ALTER TABLE executor.entities OWNER TO {realm}_executor;

CREATE TABLE executor.entity_events (
    entity_type text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    event_id text NOT NULL COLLATE pg_catalog."C",
    source_time timestamp with time zone NOT NULL,
    sequence bigint NOT NULL,
    "row" text NOT NULL
);

ALTER TABLE executor.entity_events OWNER TO {realm}_executor;

CREATE TABLE executor.entity_links (
    entity_type text NOT NULL COLLATE pg_catalog."C",
    through text NOT NULL COLLATE pg_catalog."C",
    target text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C"
);

ALTER TABLE executor.entity_links OWNER TO {realm}_executor;

CREATE TABLE executor.entity_progress (
    one boolean DEFAULT true NOT NULL,
    "position" bigint DEFAULT '-1'::integer NOT NULL,
    links text DEFAULT ''::text NOT NULL,
    CONSTRAINT entity_progress_one_check CHECK (one)
);

ALTER TABLE executor.entity_progress OWNER TO {realm}_executor;

CREATE TABLE executor.jobs (
    case_id text NOT NULL COLLATE pg_catalog."C",
    reason text NOT NULL,
    generation bigint DEFAULT 1 NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    put_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    not_before timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    token text,
    leased_until timestamp with time zone,
    parked text,
    error text
);

ALTER TABLE executor.jobs OWNER TO {realm}_executor;

CREATE TABLE executor.snapshot_parts (
    feed text NOT NULL,
    entity_type text NOT NULL,
    snapshot text NOT NULL,
    part integer NOT NULL,
    as_of timestamp with time zone NOT NULL
);

ALTER TABLE executor.snapshot_parts OWNER TO {realm}_executor;

CREATE TABLE executor.sources (
    feed text NOT NULL COLLATE pg_catalog."C",
    heard timestamp with time zone NOT NULL,
    doubts text NOT NULL,
    judged bigint NOT NULL
);

ALTER TABLE executor.sources OWNER TO {realm}_executor;

CREATE TABLE ledger.head (
    one boolean DEFAULT true NOT NULL,
    "position" bigint NOT NULL,
    CONSTRAINT head_only_one CHECK (one)
);

ALTER TABLE ledger.head OWNER TO {realm}_owner;

CREATE TABLE ledger.migrations (
    schema text NOT NULL COLLATE pg_catalog."C",
    number integer NOT NULL,
    name text NOT NULL,
    digest text NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    applied_by name DEFAULT SESSION_USER NOT NULL
);

ALTER TABLE ledger.migrations OWNER TO {realm}_owner;

CREATE TABLE ledger.positions (
    service text NOT NULL COLLATE pg_catalog."C",
    topic text NOT NULL COLLATE pg_catalog."C",
    partition integer NOT NULL,
    "position" bigint NOT NULL
);

ALTER TABLE ONLY ledger.positions FORCE ROW LEVEL SECURITY;

ALTER TABLE ledger.positions OWNER TO {realm}_owner;

CREATE TABLE ledger.published (
    service text NOT NULL COLLATE pg_catalog."C",
    topic text NOT NULL COLLATE pg_catalog."C",
    partition integer NOT NULL,
    "position" bigint NOT NULL
);

ALTER TABLE ONLY ledger.published FORCE ROW LEVEL SECURITY;

ALTER TABLE ledger.published OWNER TO {realm}_owner;

CREATE TABLE ledger.relays (
    service text NOT NULL COLLATE pg_catalog."C",
    "position" bigint NOT NULL
);

ALTER TABLE ONLY ledger.relays FORCE ROW LEVEL SECURITY;

ALTER TABLE ledger.relays OWNER TO {realm}_owner;

CREATE TABLE ledger.schema_versions (
    version_num character varying(32) NOT NULL
);

ALTER TABLE ledger.schema_versions OWNER TO {realm}_owner;

CREATE TABLE ledger.topics (
    topic text NOT NULL COLLATE pg_catalog."C",
    service text NOT NULL COLLATE pg_catalog."C"
);

ALTER TABLE ledger.topics OWNER TO {realm}_owner;

CREATE TABLE ledger.work (
    service text NOT NULL COLLATE pg_catalog."C",
    pending bigint NOT NULL,
    CONSTRAINT work_not_negative CHECK ((pending >= 0))
);

ALTER TABLE ONLY ledger.work FORCE ROW LEVEL SECURITY;

ALTER TABLE ledger.work OWNER TO {realm}_owner;

CREATE TABLE observer.judged_until (
    one boolean DEFAULT true NOT NULL,
    "position" bigint DEFAULT '-1'::integer NOT NULL,
    CONSTRAINT judged_until_only_one CHECK (one)
);

ALTER TABLE observer.judged_until OWNER TO {realm}_observer;

CREATE TABLE observer.judgements (
    feed text NOT NULL COLLATE pg_catalog."C",
    doubts text NOT NULL
);

ALTER TABLE observer.judgements OWNER TO {realm}_observer;

CREATE TABLE observer.numberings (
    feed text NOT NULL COLLATE pg_catalog."C",
    floor bigint
);

ALTER TABLE observer.numberings OWNER TO {realm}_observer;

CREATE TABLE observer.polls (
    feed text NOT NULL COLLATE pg_catalog."C",
    entity_type text NOT NULL COLLATE pg_catalog."C",
    definition text NOT NULL,
    schema_version bigint NOT NULL,
    cursor_at text,
    tie_at text,
    rows bigint DEFAULT 0 NOT NULL,
    whole_at timestamp with time zone
);

ALTER TABLE observer.polls OWNER TO {realm}_observer;

CREATE TABLE observer.rejections (
    number bigint NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    feed text NOT NULL,
    event text NOT NULL,
    payload bytea,
    erased boolean DEFAULT false NOT NULL,
    refused_at timestamp with time zone DEFAULT now() NOT NULL,
    headers text
);

ALTER TABLE observer.rejections OWNER TO {realm}_observer;

ALTER TABLE observer.rejections ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME observer.rejections_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE observer.runs (
    feed text NOT NULL COLLATE pg_catalog."C",
    low bigint NOT NULL,
    high bigint NOT NULL,
    at timestamp with time zone NOT NULL
);

ALTER TABLE observer.runs OWNER TO {realm}_observer;

CREATE TABLE observer.snapshot_rows (
    feed text NOT NULL COLLATE pg_catalog."C",
    entity_type text NOT NULL COLLATE pg_catalog."C",
    snapshot text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    row_digest text NOT NULL,
    stored boolean NOT NULL,
    received_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE observer.snapshot_rows OWNER TO {realm}_observer;

CREATE TABLE observer.totals (
    feed text NOT NULL COLLATE pg_catalog."C",
    entity_type text NOT NULL COLLATE pg_catalog."C",
    event_id text NOT NULL COLLATE pg_catalog."C",
    as_of timestamp with time zone NOT NULL,
    said text NOT NULL,
    held text
);

ALTER TABLE observer.totals OWNER TO {realm}_observer;

CREATE TABLE planner.cases (
    case_id text NOT NULL COLLATE pg_catalog."C",
    desired_state text NOT NULL COLLATE pg_catalog."C"
);

ALTER TABLE planner.cases OWNER TO {realm}_planner;

CREATE TABLE planner.complete_snapshots (
    feed text NOT NULL,
    entity_type text NOT NULL COLLATE pg_catalog."C",
    as_of timestamp with time zone NOT NULL
);

ALTER TABLE planner.complete_snapshots OWNER TO {realm}_planner;

CREATE TABLE planner.entities (
    entity_type text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    "row" text,
    feed text NOT NULL,
    source_time timestamp with time zone NOT NULL,
    sequence bigint NOT NULL,
    event_id text NOT NULL COLLATE pg_catalog."C",
    "position" bigint NOT NULL,
    as_of timestamp with time zone NOT NULL,
    withdrawn boolean NOT NULL
);

ALTER TABLE planner.entities OWNER TO {realm}_planner;

CREATE TABLE planner.entity_events (
    entity_type text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    event_id text NOT NULL COLLATE pg_catalog."C",
    source_time timestamp with time zone NOT NULL,
    sequence bigint NOT NULL,
    "row" text NOT NULL
);

ALTER TABLE planner.entity_events OWNER TO {realm}_planner;

CREATE TABLE planner.entity_links (
    entity_type text NOT NULL COLLATE pg_catalog."C",
    through text NOT NULL COLLATE pg_catalog."C",
    target text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C"
);

ALTER TABLE planner.entity_links OWNER TO {realm}_planner;

CREATE TABLE planner.entity_progress (
    one boolean DEFAULT true NOT NULL,
    "position" bigint DEFAULT '-1'::integer NOT NULL,
    links text DEFAULT ''::text NOT NULL,
    CONSTRAINT entity_progress_one_check CHECK (one)
);

ALTER TABLE planner.entity_progress OWNER TO {realm}_planner;

CREATE TABLE planner.jobs (
    case_id text NOT NULL COLLATE pg_catalog."C",
    reason text NOT NULL,
    generation bigint DEFAULT 1 NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    put_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    not_before timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    token text,
    leased_until timestamp with time zone,
    parked text,
    error text
);

ALTER TABLE planner.jobs OWNER TO {realm}_planner;

CREATE TABLE planner.snapshot_parts (
    feed text NOT NULL,
    entity_type text NOT NULL,
    snapshot text NOT NULL,
    part integer NOT NULL,
    as_of timestamp with time zone NOT NULL
);

ALTER TABLE planner.snapshot_parts OWNER TO {realm}_planner;

CREATE TABLE planner.sources (
    feed text NOT NULL COLLATE pg_catalog."C",
    heard timestamp with time zone NOT NULL,
    doubts text NOT NULL,
    judged bigint NOT NULL
);

ALTER TABLE planner.sources OWNER TO {realm}_planner;

INSERT INTO approver.entity_progress VALUES (true, -1, '');

INSERT INTO auditor.entity_progress VALUES (true, -1, '');

INSERT INTO differ.entity_progress VALUES (true, -1, '');

INSERT INTO executor.entity_progress VALUES (true, -1, '');

INSERT INTO ledger.events VALUES (0, '{"actor":"service:observer","asof":"2026-11-23T22:39:16.652640Z","data":{},"datacontenttype":"application/json","id":"98ccc50040b0f630","source":"observer","specversion":"1.0","subject":"entity/thing/625d11834b82483a","time":"2026-11-23T22:39:16.652640Z","type":"trueup.entity.observed.v1"}', 'observer', '98ccc50040b0f630', 'entity/thing/625d11834b82483a', 1, 'trueup.entity.observed.v1', NULL, '2026-11-23 22:39:16.656018+00');
INSERT INTO ledger.events VALUES (1, '{"actor":"service:differ","asof":"2026-11-23T22:39:16.670045Z","data":{},"datacontenttype":"application/json","id":"ada4ad2a94262023","source":"differ","specversion":"1.0","subject":"gap/d3c56ce60647df85","time":"2026-11-23T22:39:16.670045Z","type":"trueup.gap.opened.v1"}', 'differ', 'ada4ad2a94262023', 'gap/d3c56ce60647df85', 1, 'trueup.gap.opened.v1', NULL, '2026-11-23 22:39:16.673223+00');
INSERT INTO ledger.events VALUES (2, '{"actor":"service:planner","asof":"2026-11-23T22:39:16.686396Z","data":{},"datacontenttype":"application/json","id":"019d6df3a5285b89","signature":"service:planner/0000000000000000:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==","source":"planner","specversion":"1.0","subject":"plan/bf4d3746676f9c55","time":"2026-11-23T22:39:16.686396Z","type":"trueup.plan.drafted.v1"}', 'planner', '019d6df3a5285b89', 'plan/bf4d3746676f9c55', 1, 'trueup.plan.drafted.v1', NULL, '2026-11-23 22:39:16.689742+00');
INSERT INTO ledger.events VALUES (3, '{"actor":"service:approver","asof":"2026-11-23T22:39:16.703313Z","data":{},"datacontenttype":"application/json","id":"be846c51d17a077f","signature":"service:approver/0000000000000000:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==","source":"approver","specversion":"1.0","subject":"approval/d5d5bbeaad5cda51","time":"2026-11-23T22:39:16.703313Z","type":"trueup.ticket.opened.v1"}', 'approver', 'be846c51d17a077f', 'approval/d5d5bbeaad5cda51', 1, 'trueup.ticket.opened.v1', NULL, '2026-11-23 22:39:16.70685+00');
INSERT INTO ledger.events VALUES (4, '{"actor":"service:executor","asof":"2026-11-23T22:39:16.721126Z","data":{},"datacontenttype":"application/json","id":"01c7fa9efa64d49a","signature":"service:executor/0000000000000000:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==","source":"executor","specversion":"1.0","subject":"execution/6f6378c7c5ae989f","time":"2026-11-23T22:39:16.721126Z","type":"trueup.execution.finished.v1"}', 'executor', '01c7fa9efa64d49a', 'execution/6f6378c7c5ae989f', 1, 'trueup.execution.finished.v1', NULL, '2026-11-23 22:39:16.724396+00');
INSERT INTO ledger.events VALUES (5, '{"actor":"service:auditor","asof":"2026-11-23T22:39:16.737893Z","data":{},"datacontenttype":"application/json","id":"593e49150a3cb476","signature":"service:auditor/0000000000000000:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==","source":"auditor","specversion":"1.0","subject":"attestation/56e741a6238efe19","time":"2026-11-23T22:39:16.737893Z","type":"trueup.case.closed.v1"}', 'auditor', '593e49150a3cb476', 'attestation/56e741a6238efe19', 1, 'trueup.case.closed.v1', NULL, '2026-11-23 22:39:16.740898+00');

INSERT INTO ledger.head VALUES (true, 5);

INSERT INTO ledger.migrations VALUES ('ledger', 1, 'initial', '4d39401d35d603dec2179f527fe3aeb93528f0c1a090cf0ffdf53471eb8d938d', '2026-11-23 22:39:16.631237+00', 'postgres');
INSERT INTO ledger.migrations VALUES ('ledger', 2, 'privileged_types', '3c1abeb0ba45a1106309a9526a62043b37682a35c9b39027359343e73786eb89', '2026-11-23 22:39:16.631397+00', 'postgres');
INSERT INTO ledger.migrations VALUES ('ledger', 3, 'append_and_erasures', '24679b576ace6b32f4f01ccf1f31e05c4e80ae6a778d0519aa0c6efd8f7c7926', '2026-11-23 22:39:16.631412+00', 'postgres');
INSERT INTO ledger.migrations VALUES ('ledger', 4, 'progress_moves_forward', '4c1250f185ce16c34c11dd87b0dd136141652d9a6f0e73d7856ea9ff95f514d7', '2026-11-23 22:39:16.631421+00', 'postgres');
INSERT INTO ledger.migrations VALUES ('ledger', 5, 'one_event', '4254cfb882b4654c61d6a45a410a211e2aaa8650e11fe502bb58a25d03703817', '2026-11-23 22:39:16.631432+00', 'postgres');
INSERT INTO ledger.migrations VALUES ('observer', 1, 'initial', '0676f7387c16e3b37a4a61307f696977133dbfe326a7031c6ae322be2461ada3', '2026-11-23 22:39:16.631442+00', 'postgres');
INSERT INTO ledger.migrations VALUES ('observer', 2, 'headers_of_rejections', '6a9caf190a1ac5e949104e5cc6db88989fd44f22bec59abac2a58933e49d896a', '2026-11-23 22:39:16.631447+00', 'postgres');
INSERT INTO ledger.migrations VALUES ('observer', 3, 'polls_and_sources', '92c102b276976645e117da15c247dc861f268e0af32f3552575d9dd4b01ceeab', '2026-11-23 22:39:16.631451+00', 'postgres');
INSERT INTO ledger.migrations VALUES ('differ', 1, 'initial', '21dba7c18f0c8934d2997b3588532c43957b87020de35514a4aa16a0cd034af6', '2026-11-23 22:39:16.631456+00', 'postgres');
INSERT INTO ledger.migrations VALUES ('differ', 2, 'objectives', '474c948d66dc226a858c2d802c51a8f854cb7b4f797b190739462e3349530fc9', '2026-11-23 22:39:16.631461+00', 'postgres');
INSERT INTO ledger.migrations VALUES ('differ', 3, 'case_events_and_sources', '6a083dcb5d4ae0233a4c10e92a42fa01bfe6f295bc5cb0a1a47338e81ffc2d0b', '2026-11-23 22:39:16.631466+00', 'postgres');
INSERT INTO ledger.migrations VALUES ('differ', 4, 'narrow_reviews', '2f92d735f299147ffd98c95279bae9d99c0ac1dafc759fe65b3c488e28f3ca3c', '2026-11-23 22:39:16.63147+00', 'postgres');
INSERT INTO ledger.migrations VALUES ('differ', 5, 'steady', '63988dc9eb4db0d323347d527ae6b094d21245a92fcf61bd0de03fcb7d16b713', '2026-11-23 22:39:16.631474+00', 'postgres');
INSERT INTO ledger.migrations VALUES ('planner', 1, 'initial', '73f585156f5bd3ac4208060cda6af7fd2eebc18c33f1474525619953e900a20a', '2026-11-23 22:39:16.631479+00', 'postgres');
INSERT INTO ledger.migrations VALUES ('planner', 2, 'case_events_and_sources', '5947c7723b08054e38e77958e76477e10d2fd542fe6ebabb77d34439769ff57b', '2026-11-23 22:39:16.631483+00', 'postgres');
INSERT INTO ledger.migrations VALUES ('approver', 1, 'initial', 'c7f3f4d5af502843d0aad89618d25a909c76a2885ccc352c1784882d19e768e7', '2026-11-23 22:39:16.631487+00', 'postgres');
INSERT INTO ledger.migrations VALUES ('approver', 2, 'case_events_and_sources', 'a021987fecb65a000df8a31652f166b9c97100cb8a133d6f3ef3041b7d1defc6', '2026-11-23 22:39:16.631491+00', 'postgres');
INSERT INTO ledger.migrations VALUES ('executor', 1, 'initial', '1171936ad9314a0862979a67c7cbe5018e1bc58a782e8bc437a2c51268f2f193', '2026-11-23 22:39:16.631495+00', 'postgres');
INSERT INTO ledger.migrations VALUES ('executor', 2, 'case_events_and_sources', 'a8a63f7e86ebaddb80d5b8e63862394166d70e5650aff3f0624ef84561b6c4b1', '2026-11-23 22:39:16.631502+00', 'postgres');
INSERT INTO ledger.migrations VALUES ('auditor', 1, 'initial', '0a2032fff2f1c61b9db2c82db1bd8f97e72321136e7e73b386a43e5d3761cab8', '2026-11-23 22:39:16.631506+00', 'postgres');
INSERT INTO ledger.migrations VALUES ('auditor', 2, 'transparency_log', 'a247a6eb2c03902ca86960e364c81ad1215ffa3bd1d2b84ceeaa1be9001021e1', '2026-11-23 22:39:16.63151+00', 'postgres');
INSERT INTO ledger.migrations VALUES ('auditor', 3, 'case_events_and_sources', '1e8ef023823175d723609c94ba67c34a6a8021741eb372a848c835eddf35ea75', '2026-11-23 22:39:16.631514+00', 'postgres');

INSERT INTO ledger.schema_versions VALUES ('ledger_0005');
INSERT INTO ledger.schema_versions VALUES ('observer_0003');
INSERT INTO ledger.schema_versions VALUES ('differ_0005');
INSERT INTO ledger.schema_versions VALUES ('planner_0002');
INSERT INTO ledger.schema_versions VALUES ('approver_0002');
INSERT INTO ledger.schema_versions VALUES ('executor_0002');
INSERT INTO ledger.schema_versions VALUES ('auditor_0003');

INSERT INTO ledger.services VALUES ('{realm}_observer', 'observer', '{"trueup.erasure.done.v1": "erased", "trueup.source.judged.v1": "source", "trueup.source.counted.v1": "source", "trueup.entity.observed.v1": "entity", "trueup.source.reported.v1": "source", "trueup.entity.withdrawn.v1": "entity", "trueup.observation.rejected.v1": "source"}', '[]');
INSERT INTO ledger.services VALUES ('{realm}_differ', 'differ', '{"trueup.gap.met.v1": "gap", "trueup.gap.closed.v1": "gap", "trueup.gap.opened.v1": "gap", "trueup.gap.changed.v1": "gap", "trueup.gap.suspended.v1": "gap", "trueup.gap.undecided.v1": "gap", "trueup.objective.met.v1": "objective", "trueup.change.previewed.v1": "preview", "trueup.objective.missed.v1": "objective", "trueup.objective.undecided.v1": "objective"}', '[]');
INSERT INTO ledger.services VALUES ('{realm}_planner', 'planner', '{"trueup.plan.drafted.v1": "plan", "trueup.plan.withheld.v1": "plan", "trueup.plan.superseded.v1": "plan"}', '["trueup.plan.drafted.v1", "trueup.plan.superseded.v1", "trueup.plan.withheld.v1"]');
INSERT INTO ledger.services VALUES ('{realm}_approver', 'approver', '{"trueup.case.resumed.v1": "approval", "trueup.gap.disputed.v1": "approval", "trueup.plan.expired.v1": "approval", "trueup.gap.confirmed.v1": "approval", "trueup.plan.returned.v1": "approval", "trueup.realm.created.v1": "realm", "trueup.release.given.v1": "approval", "trueup.ticket.opened.v1": "approval", "trueup.approval.given.v1": "approval", "trueup.clock.advanced.v1": "realm", "trueup.approval.voided.v1": "approval", "trueup.plan.authorised.v1": "approval", "trueup.approval.refused.v1": "approval", "trueup.erasure.approved.v1": "erasure", "trueup.outcome.recorded.v1": "approval", "trueup.erasure.requested.v1": "erasure", "trueup.declaration.proposed.v1": "declaration", "trueup.declaration.activated.v1": "declaration"}', '["trueup.approval.voided.v1", "trueup.plan.authorised.v1", "trueup.plan.expired.v1", "trueup.ticket.opened.v1"]');
INSERT INTO ledger.services VALUES ('{realm}_executor', 'executor', '{"trueup.action.failed.v1": "execution", "trueup.action.unknown.v1": "execution", "trueup.action.intended.v1": "execution", "trueup.action.succeeded.v1": "execution", "trueup.execution.halted.v1": "execution", "trueup.execution.started.v1": "execution", "trueup.execution.finished.v1": "execution"}', '["trueup.action.failed.v1", "trueup.action.intended.v1", "trueup.action.succeeded.v1", "trueup.action.unknown.v1", "trueup.execution.finished.v1", "trueup.execution.halted.v1", "trueup.execution.started.v1"]');
INSERT INTO ledger.services VALUES ('{realm}_auditor', 'auditor', '{"trueup.proof.seen.v1": "attestation", "trueup.case.closed.v1": "attestation", "trueup.watch.begun.v1": "attestation", "trueup.attestation.issued.v1": "attestation", "trueup.verification.failed.v1": "attestation", "trueup.verification.passed.v1": "attestation", "trueup.verification.inconclusive.v1": "attestation"}', '["trueup.attestation.issued.v1", "trueup.case.closed.v1", "trueup.proof.seen.v1", "trueup.verification.failed.v1", "trueup.verification.inconclusive.v1", "trueup.verification.passed.v1", "trueup.watch.begun.v1"]');

INSERT INTO ledger.topics VALUES ('state', 'observer');
INSERT INTO ledger.topics VALUES ('gaps', 'differ');
INSERT INTO ledger.topics VALUES ('plans', 'planner');
INSERT INTO ledger.topics VALUES ('declarations', 'approver');
INSERT INTO ledger.topics VALUES ('erasures', 'approver');
INSERT INTO ledger.topics VALUES ('approvals', 'approver');
INSERT INTO ledger.topics VALUES ('clock', 'approver');
INSERT INTO ledger.topics VALUES ('executions', 'executor');
INSERT INTO ledger.topics VALUES ('attestations', 'auditor');

INSERT INTO observer.judged_until VALUES (true, -1);

INSERT INTO planner.entity_progress VALUES (true, -1, '');

SELECT pg_catalog.setval('auditor.alarms_id_seq', 1, false);

SELECT pg_catalog.setval('observer.rejections_number_seq', 1, false);

ALTER TABLE ONLY approver.cases
    ADD CONSTRAINT cases_pkey PRIMARY KEY (case_id);

ALTER TABLE ONLY approver.complete_snapshots
    ADD CONSTRAINT complete_snapshots_pkey PRIMARY KEY (feed, entity_type);

ALTER TABLE ONLY approver.entities
    ADD CONSTRAINT entities_pkey PRIMARY KEY (entity_type, key);

ALTER TABLE ONLY approver.entity_events
    ADD CONSTRAINT entity_events_pkey PRIMARY KEY (entity_type, key, event_id);

ALTER TABLE ONLY approver.entity_links
    ADD CONSTRAINT entity_links_pkey PRIMARY KEY (entity_type, through, target, key);

ALTER TABLE ONLY approver.entity_progress
    ADD CONSTRAINT entity_progress_pkey PRIMARY KEY (one);

ALTER TABLE ONLY approver.snapshot_parts
    ADD CONSTRAINT snapshot_parts_pkey PRIMARY KEY (feed, entity_type, snapshot, part);

ALTER TABLE ONLY approver.sources
    ADD CONSTRAINT sources_feed PRIMARY KEY (feed);

ALTER TABLE ONLY approver.tasks
    ADD CONSTRAINT tasks_pkey PRIMARY KEY (case_id, step);

ALTER TABLE ONLY approver.timers
    ADD CONSTRAINT timers_pkey PRIMARY KEY (subject, name);

ALTER TABLE ONLY auditor.alarms
    ADD CONSTRAINT alarms_id PRIMARY KEY (id);

ALTER TABLE ONLY auditor.attestations
    ADD CONSTRAINT attestations_pkey PRIMARY KEY (case_id);

ALTER TABLE ONLY auditor.cases
    ADD CONSTRAINT cases_pkey PRIMARY KEY (case_id);

ALTER TABLE ONLY auditor.checkpoints
    ADD CONSTRAINT checkpoints_former UNIQUE (former);

ALTER TABLE ONLY auditor.checkpoints
    ADD CONSTRAINT checkpoints_size PRIMARY KEY (size);

ALTER TABLE ONLY auditor.complete_snapshots
    ADD CONSTRAINT complete_snapshots_pkey PRIMARY KEY (feed, entity_type);

ALTER TABLE ONLY auditor.entities
    ADD CONSTRAINT entities_pkey PRIMARY KEY (entity_type, key);

ALTER TABLE ONLY auditor.entity_events
    ADD CONSTRAINT entity_events_pkey PRIMARY KEY (entity_type, key, event_id);

ALTER TABLE ONLY auditor.entity_links
    ADD CONSTRAINT entity_links_pkey PRIMARY KEY (entity_type, through, target, key);

ALTER TABLE ONLY auditor.entity_progress
    ADD CONSTRAINT entity_progress_pkey PRIMARY KEY (one);

ALTER TABLE ONLY auditor.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (case_id);

ALTER TABLE ONLY auditor.snapshot_parts
    ADD CONSTRAINT snapshot_parts_pkey PRIMARY KEY (feed, entity_type, snapshot, part);

ALTER TABLE ONLY auditor.sources
    ADD CONSTRAINT sources_feed PRIMARY KEY (feed);

ALTER TABLE ONLY auditor.tiles
    ADD CONSTRAINT tiles_place PRIMARY KEY (level, n);

ALTER TABLE ONLY auditor.timers
    ADD CONSTRAINT timers_pkey PRIMARY KEY (subject, name);

ALTER TABLE ONLY differ.cases
    ADD CONSTRAINT cases_all PRIMARY KEY (desired_state, key);

ALTER TABLE ONLY differ.clock
    ADD CONSTRAINT clock_one PRIMARY KEY (one);

ALTER TABLE ONLY differ.complete_snapshots
    ADD CONSTRAINT complete_snapshots_pkey PRIMARY KEY (feed, entity_type);

ALTER TABLE ONLY differ.contributions
    ADD CONSTRAINT contributions_all PRIMARY KEY (desired_state, objective, key);

ALTER TABLE ONLY differ.entities
    ADD CONSTRAINT entities_pkey PRIMARY KEY (entity_type, key);

ALTER TABLE ONLY differ.entity_events
    ADD CONSTRAINT entity_events_pkey PRIMARY KEY (entity_type, key, event_id);

ALTER TABLE ONLY differ.entity_links
    ADD CONSTRAINT entity_links_pkey PRIMARY KEY (entity_type, through, target, key);

ALTER TABLE ONLY differ.entity_progress
    ADD CONSTRAINT entity_progress_pkey PRIMARY KEY (one);

ALTER TABLE ONLY differ.measures
    ADD CONSTRAINT measures_all PRIMARY KEY (desired_state);

ALTER TABLE ONLY differ.reviewed
    ADD CONSTRAINT reviewed_all PRIMARY KEY (desired_state);

ALTER TABLE ONLY differ.reviews
    ADD CONSTRAINT reviews_all PRIMARY KEY (desired_state);

ALTER TABLE ONLY differ.snapshot_parts
    ADD CONSTRAINT snapshot_parts_pkey PRIMARY KEY (feed, entity_type, snapshot, part);

ALTER TABLE ONLY differ.sources
    ADD CONSTRAINT sources_feed PRIMARY KEY (feed);

ALTER TABLE ONLY differ.timers
    ADD CONSTRAINT timers_pkey PRIMARY KEY (subject, name);

ALTER TABLE ONLY executor.actions
    ADD CONSTRAINT actions_pkey PRIMARY KEY (intent);

ALTER TABLE ONLY executor.complete_snapshots
    ADD CONSTRAINT complete_snapshots_pkey PRIMARY KEY (feed, entity_type);

ALTER TABLE ONLY executor.entities
    ADD CONSTRAINT entities_pkey PRIMARY KEY (entity_type, key);

ALTER TABLE ONLY executor.entity_events
    ADD CONSTRAINT entity_events_pkey PRIMARY KEY (entity_type, key, event_id);

ALTER TABLE ONLY executor.entity_links
    ADD CONSTRAINT entity_links_pkey PRIMARY KEY (entity_type, through, target, key);

ALTER TABLE ONLY executor.entity_progress
    ADD CONSTRAINT entity_progress_pkey PRIMARY KEY (one);

ALTER TABLE ONLY executor.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (case_id);

ALTER TABLE ONLY executor.snapshot_parts
    ADD CONSTRAINT snapshot_parts_pkey PRIMARY KEY (feed, entity_type, snapshot, part);

ALTER TABLE ONLY executor.sources
    ADD CONSTRAINT sources_feed PRIMARY KEY (feed);

ALTER TABLE ONLY ledger.events
    ADD CONSTRAINT events_id_source UNIQUE (id, source);

ALTER TABLE ONLY ledger.events
    ADD CONSTRAINT events_position PRIMARY KEY ("position");

ALTER TABLE ONLY ledger.events
    ADD CONSTRAINT events_stream_version UNIQUE (stream, version);

ALTER TABLE ONLY ledger.head
    ADD CONSTRAINT head_one PRIMARY KEY (one);

ALTER TABLE ONLY ledger.migrations
    ADD CONSTRAINT migrations_all PRIMARY KEY (schema, number);

ALTER TABLE ONLY ledger.positions
    ADD CONSTRAINT positions_all PRIMARY KEY (service, topic, partition);

ALTER TABLE ONLY ledger.published
    ADD CONSTRAINT published_partition PRIMARY KEY (topic, partition);

ALTER TABLE ONLY ledger.relays
    ADD CONSTRAINT relays_service PRIMARY KEY (service);

ALTER TABLE ONLY ledger.schema_versions
    ADD CONSTRAINT schema_versions_pkc PRIMARY KEY (version_num);

ALTER TABLE ONLY ledger.services
    ADD CONSTRAINT services_role PRIMARY KEY (role);

ALTER TABLE ONLY ledger.topics
    ADD CONSTRAINT topics_topic PRIMARY KEY (topic);

ALTER TABLE ONLY ledger.work
    ADD CONSTRAINT work_service PRIMARY KEY (service);

ALTER TABLE ONLY observer.judged_until
    ADD CONSTRAINT judged_until_one PRIMARY KEY (one);

ALTER TABLE ONLY observer.judgements
    ADD CONSTRAINT judgements_feed PRIMARY KEY (feed);

ALTER TABLE ONLY observer.numberings
    ADD CONSTRAINT numberings_feed PRIMARY KEY (feed);

ALTER TABLE ONLY observer.polls
    ADD CONSTRAINT polls_name PRIMARY KEY (feed, entity_type);

ALTER TABLE ONLY observer.rejections
    ADD CONSTRAINT rejections_id PRIMARY KEY (id);

ALTER TABLE ONLY observer.runs
    ADD CONSTRAINT runs_all PRIMARY KEY (feed, low);

ALTER TABLE ONLY observer.snapshot_rows
    ADD CONSTRAINT snapshot_rows_all PRIMARY KEY (feed, entity_type, snapshot, key);

ALTER TABLE ONLY observer.totals
    ADD CONSTRAINT totals_all PRIMARY KEY (feed, entity_type, event_id);

ALTER TABLE ONLY planner.cases
    ADD CONSTRAINT cases_pkey PRIMARY KEY (case_id);

ALTER TABLE ONLY planner.complete_snapshots
    ADD CONSTRAINT complete_snapshots_pkey PRIMARY KEY (feed, entity_type);

ALTER TABLE ONLY planner.entities
    ADD CONSTRAINT entities_pkey PRIMARY KEY (entity_type, key);

ALTER TABLE ONLY planner.entity_events
    ADD CONSTRAINT entity_events_pkey PRIMARY KEY (entity_type, key, event_id);

ALTER TABLE ONLY planner.entity_links
    ADD CONSTRAINT entity_links_pkey PRIMARY KEY (entity_type, through, target, key);

ALTER TABLE ONLY planner.entity_progress
    ADD CONSTRAINT entity_progress_pkey PRIMARY KEY (one);

ALTER TABLE ONLY planner.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (case_id);

ALTER TABLE ONLY planner.snapshot_parts
    ADD CONSTRAINT snapshot_parts_pkey PRIMARY KEY (feed, entity_type, snapshot, part);

ALTER TABLE ONLY planner.sources
    ADD CONSTRAINT sources_feed PRIMARY KEY (feed);

CREATE INDEX cases_by_people ON approver.cases USING gin (people);

CREATE INDEX cases_by_stage ON approver.cases USING btree (stage, case_id);

CREATE INDEX cases_with_ticket ON approver.cases USING btree (case_id) WHERE ticket_open;

CREATE INDEX entity_links_by_key ON approver.entity_links USING btree (entity_type, key);

CREATE INDEX timers_by_instant ON approver.timers USING btree (instant);

CREATE UNIQUE INDEX alarms_open ON auditor.alarms USING btree (witness) WHERE (ended_at IS NULL);

CREATE INDEX cases_by_stage ON auditor.cases USING btree (stage, case_id);

CREATE INDEX cases_watched ON auditor.cases USING btree (entity_type, key) WHERE watched;

CREATE INDEX checkpoints_cosigned ON auditor.checkpoints USING btree (size) WHERE cosigned;

CREATE INDEX entity_links_by_key ON auditor.entity_links USING btree (entity_type, key);

CREATE INDEX timers_by_instant ON auditor.timers USING btree (instant);

CREATE INDEX entity_links_by_key ON differ.entity_links USING btree (entity_type, key);

CREATE INDEX timers_by_instant ON differ.timers USING btree (instant);

CREATE INDEX actions_by_case ON executor.actions USING btree (case_id, action);

CREATE INDEX actions_by_day ON executor.actions USING btree (action, realm_day);

CREATE INDEX actions_open ON executor.actions USING btree (action) WHERE (state = 'open'::text);

CREATE INDEX entity_links_by_key ON executor.entity_links USING btree (entity_type, key);

CREATE INDEX events_case ON ledger.events USING btree (case_id, "position") WHERE (case_id IS NOT NULL);

CREATE UNIQUE INDEX rejections_by_feed ON observer.rejections USING btree (feed, number);

CREATE UNIQUE INDEX rejections_by_number ON observer.rejections USING btree (number);

CREATE INDEX cases_by_state ON planner.cases USING btree (desired_state);

CREATE INDEX entity_links_by_key ON planner.entity_links USING btree (entity_type, key);

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON ledger.events FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER append_only;

CREATE TRIGGER forward BEFORE INSERT OR UPDATE ON ledger.positions FOR EACH ROW EXECUTE FUNCTION ledger.check_progress();

ALTER TABLE ledger.positions ENABLE ALWAYS TRIGGER forward;

CREATE TRIGGER forward BEFORE INSERT OR UPDATE ON ledger.published FOR EACH ROW EXECUTE FUNCTION ledger.check_progress();

ALTER TABLE ledger.published ENABLE ALWAYS TRIGGER forward;

CREATE TRIGGER forward BEFORE INSERT OR UPDATE ON ledger.relays FOR EACH ROW EXECUTE FUNCTION ledger.check_progress();

ALTER TABLE ledger.relays ENABLE ALWAYS TRIGGER forward;

CREATE TRIGGER privileged BEFORE INSERT ON ledger.events FOR EACH ROW WHEN ((strpos('decla gap.c gap.d appro plan. relea outco execu actio erasu'::text, substr(new.type, 8, 5)) > 0)) EXECUTE FUNCTION ledger.check_privileged();

ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER privileged;

CREATE TRIGGER through_append BEFORE INSERT ON ledger.events FOR EACH STATEMENT WHEN ((CURRENT_USER <> '{realm}_owner'::name)) EXECUTE FUNCTION ledger.refuse_change();

ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER through_append;

ALTER TABLE ledger.events ENABLE ROW LEVEL SECURITY;

CREATE POLICY everybody_reads ON ledger.events FOR SELECT USING (true);

CREATE POLICY everybody_reads ON ledger.positions FOR SELECT USING (true);

CREATE POLICY everybody_reads ON ledger.published FOR SELECT USING (true);

CREATE POLICY everybody_reads ON ledger.relays FOR SELECT USING (true);

CREATE POLICY everybody_reads ON ledger.work FOR SELECT USING (true);

CREATE POLICY own_rows ON ledger.positions FOR UPDATE USING ((service = ( SELECT ledger.session_service() AS session_service)));

CREATE POLICY own_rows ON ledger.published FOR UPDATE USING ((service = ( SELECT ledger.session_service() AS session_service)));

CREATE POLICY own_rows ON ledger.relays FOR UPDATE USING ((service = ( SELECT ledger.session_service() AS session_service)));

CREATE POLICY own_rows ON ledger.work FOR UPDATE USING ((service = ( SELECT ledger.session_service() AS session_service)));

CREATE POLICY own_rows_new ON ledger.positions FOR INSERT WITH CHECK ((service = ( SELECT ledger.session_service() AS session_service)));

CREATE POLICY own_rows_new ON ledger.published FOR INSERT WITH CHECK ((service = ( SELECT ledger.session_service() AS session_service)));

CREATE POLICY own_rows_new ON ledger.relays FOR INSERT WITH CHECK ((service = ( SELECT ledger.session_service() AS session_service)));

CREATE POLICY own_rows_new ON ledger.work FOR INSERT WITH CHECK ((service = ( SELECT ledger.session_service() AS session_service)));

CREATE POLICY own_streams ON ledger.events FOR INSERT WITH CHECK ((split_part(stream, '/'::text, 1) = ((( SELECT jsonb_build_object(s.service, s.rights) AS jsonb_build_object
   FROM ledger.services s
  WHERE (s.role = SESSION_USER)) -> source) ->> type)));

CREATE POLICY own_topics ON ledger.published AS RESTRICTIVE FOR INSERT WITH CHECK (((topic, service) IN ( SELECT t.topic,
    t.service
   FROM ledger.topics t)));

ALTER TABLE ledger.positions ENABLE ROW LEVEL SECURITY;

ALTER TABLE ledger.published ENABLE ROW LEVEL SECURITY;

ALTER TABLE ledger.relays ENABLE ROW LEVEL SECURITY;

ALTER TABLE ledger.work ENABLE ROW LEVEL SECURITY;

GRANT USAGE ON SCHEMA ledger TO {realm}_observer;
GRANT USAGE ON SCHEMA ledger TO {realm}_differ;
GRANT USAGE ON SCHEMA ledger TO {realm}_planner;
GRANT USAGE ON SCHEMA ledger TO {realm}_approver;
GRANT USAGE ON SCHEMA ledger TO {realm}_executor;
GRANT USAGE ON SCHEMA ledger TO {realm}_auditor;
GRANT USAGE ON SCHEMA ledger TO {realm}_reader;

REVOKE USAGE ON SCHEMA public FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.append(events text[], requests integer[], apart boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.append(events text[], requests integer[], apart boolean) TO {realm}_observer;
GRANT ALL ON FUNCTION ledger.append(events text[], requests integer[], apart boolean) TO {realm}_differ;
GRANT ALL ON FUNCTION ledger.append(events text[], requests integer[], apart boolean) TO {realm}_planner;
GRANT ALL ON FUNCTION ledger.append(events text[], requests integer[], apart boolean) TO {realm}_approver;
GRANT ALL ON FUNCTION ledger.append(events text[], requests integer[], apart boolean) TO {realm}_executor;
GRANT ALL ON FUNCTION ledger.append(events text[], requests integer[], apart boolean) TO {realm}_auditor;

REVOKE ALL ON FUNCTION ledger.append_one(event text) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.append_one(event text) TO {realm}_observer;
GRANT ALL ON FUNCTION ledger.append_one(event text) TO {realm}_differ;
GRANT ALL ON FUNCTION ledger.append_one(event text) TO {realm}_planner;
GRANT ALL ON FUNCTION ledger.append_one(event text) TO {realm}_approver;
GRANT ALL ON FUNCTION ledger.append_one(event text) TO {realm}_executor;
GRANT ALL ON FUNCTION ledger.append_one(event text) TO {realm}_auditor;

REVOKE ALL ON FUNCTION ledger.check_authorisation(of_case text, data jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.check_decision(kind text, of_case text, on_stream text, said jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.check_erasure(kind text, on_stream text, said jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.check_execution(kind text, of_case text, data jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.check_privileged() FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.check_progress() FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.too_deep(event text) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.forbidden(event text, typed boolean, source text, id text, stream text, type text, written text, signature text, service text, rights jsonb, signed jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.whole(said text) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.typed(event json) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.is_typed(event text, actor text, asof text, case_id text, causation text, correlation text, data json, id text, signature text, source text, expected text, stream text, written text, trace text, type text) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.obstacle(stream text, version bigint, expected bigint, written text, earliest text, latest text) FROM PUBLIC;

GRANT SELECT ON TABLE ledger.events TO {realm}_observer;
GRANT SELECT ON TABLE ledger.events TO {realm}_differ;
GRANT SELECT ON TABLE ledger.events TO {realm}_planner;
GRANT SELECT ON TABLE ledger.events TO {realm}_approver;
GRANT SELECT ON TABLE ledger.events TO {realm}_executor;
GRANT SELECT ON TABLE ledger.events TO {realm}_auditor;
GRANT SELECT ON TABLE ledger.events TO {realm}_reader;

REVOKE ALL ON FUNCTION ledger.said(events text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.examined(events text[], service text, rights jsonb, signed jsonb, earliest text, latest text) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.part_of(type text) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.place(events text[], service text, rights jsonb, signed jsonb, earliest text, latest text, top bigint, at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.refuse(code text, told text) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.refuse_change() FROM PUBLIC;

GRANT SELECT ON TABLE ledger.services TO {realm}_observer;
GRANT SELECT ON TABLE ledger.services TO {realm}_differ;
GRANT SELECT ON TABLE ledger.services TO {realm}_planner;
GRANT SELECT ON TABLE ledger.services TO {realm}_approver;
GRANT SELECT ON TABLE ledger.services TO {realm}_executor;
GRANT SELECT ON TABLE ledger.services TO {realm}_auditor;
GRANT SELECT ON TABLE ledger.services TO {realm}_reader;

REVOKE ALL ON FUNCTION ledger.session_service() FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.session_service() TO {realm}_observer;
GRANT ALL ON FUNCTION ledger.session_service() TO {realm}_differ;
GRANT ALL ON FUNCTION ledger.session_service() TO {realm}_planner;
GRANT ALL ON FUNCTION ledger.session_service() TO {realm}_approver;
GRANT ALL ON FUNCTION ledger.session_service() TO {realm}_executor;
GRANT ALL ON FUNCTION ledger.session_service() TO {realm}_auditor;

REVOKE ALL ON FUNCTION pg_catalog.lo_close(integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_creat(integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_create(oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_from_bytea(oid, bytea) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_get(oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_get(oid, bigint, integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_lseek(integer, integer, integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_lseek64(integer, bigint, integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_open(oid, integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_put(oid, bigint, bytea) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_tell(integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_tell64(integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_truncate(integer, integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_truncate64(integer, bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lo_unlink(oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.loread(integer, integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.lowrite(integer, bytea) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.pg_logical_emit_message(transactional boolean, prefix text, message bytea, flush boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION pg_catalog.pg_logical_emit_message(transactional boolean, prefix text, message text, flush boolean) FROM PUBLIC;

GRANT SELECT ON TABLE ledger.head TO {realm}_observer;
GRANT SELECT ON TABLE ledger.head TO {realm}_differ;
GRANT SELECT ON TABLE ledger.head TO {realm}_planner;
GRANT SELECT ON TABLE ledger.head TO {realm}_approver;
GRANT SELECT ON TABLE ledger.head TO {realm}_executor;
GRANT SELECT ON TABLE ledger.head TO {realm}_auditor;
GRANT SELECT ON TABLE ledger.head TO {realm}_reader;

GRANT SELECT ON TABLE ledger.migrations TO {realm}_observer;
GRANT SELECT ON TABLE ledger.migrations TO {realm}_differ;
GRANT SELECT ON TABLE ledger.migrations TO {realm}_planner;
GRANT SELECT ON TABLE ledger.migrations TO {realm}_approver;
GRANT SELECT ON TABLE ledger.migrations TO {realm}_executor;
GRANT SELECT ON TABLE ledger.migrations TO {realm}_auditor;
GRANT SELECT ON TABLE ledger.migrations TO {realm}_reader;

GRANT SELECT,INSERT ON TABLE ledger.positions TO {realm}_observer;
GRANT SELECT,INSERT ON TABLE ledger.positions TO {realm}_differ;
GRANT SELECT,INSERT ON TABLE ledger.positions TO {realm}_planner;
GRANT SELECT,INSERT ON TABLE ledger.positions TO {realm}_approver;
GRANT SELECT,INSERT ON TABLE ledger.positions TO {realm}_executor;
GRANT SELECT,INSERT ON TABLE ledger.positions TO {realm}_auditor;
GRANT SELECT ON TABLE ledger.positions TO {realm}_reader;

GRANT UPDATE("position") ON TABLE ledger.positions TO {realm}_observer;
GRANT UPDATE("position") ON TABLE ledger.positions TO {realm}_differ;
GRANT UPDATE("position") ON TABLE ledger.positions TO {realm}_planner;
GRANT UPDATE("position") ON TABLE ledger.positions TO {realm}_approver;
GRANT UPDATE("position") ON TABLE ledger.positions TO {realm}_executor;
GRANT UPDATE("position") ON TABLE ledger.positions TO {realm}_auditor;

GRANT SELECT,INSERT ON TABLE ledger.published TO {realm}_observer;
GRANT SELECT,INSERT ON TABLE ledger.published TO {realm}_differ;
GRANT SELECT,INSERT ON TABLE ledger.published TO {realm}_planner;
GRANT SELECT,INSERT ON TABLE ledger.published TO {realm}_approver;
GRANT SELECT,INSERT ON TABLE ledger.published TO {realm}_executor;
GRANT SELECT,INSERT ON TABLE ledger.published TO {realm}_auditor;
GRANT SELECT ON TABLE ledger.published TO {realm}_reader;

GRANT UPDATE("position") ON TABLE ledger.published TO {realm}_observer;
GRANT UPDATE("position") ON TABLE ledger.published TO {realm}_differ;
GRANT UPDATE("position") ON TABLE ledger.published TO {realm}_planner;
GRANT UPDATE("position") ON TABLE ledger.published TO {realm}_approver;
GRANT UPDATE("position") ON TABLE ledger.published TO {realm}_executor;
GRANT UPDATE("position") ON TABLE ledger.published TO {realm}_auditor;

GRANT SELECT,INSERT ON TABLE ledger.relays TO {realm}_observer;
GRANT SELECT,INSERT ON TABLE ledger.relays TO {realm}_differ;
GRANT SELECT,INSERT ON TABLE ledger.relays TO {realm}_planner;
GRANT SELECT,INSERT ON TABLE ledger.relays TO {realm}_approver;
GRANT SELECT,INSERT ON TABLE ledger.relays TO {realm}_executor;
GRANT SELECT,INSERT ON TABLE ledger.relays TO {realm}_auditor;
GRANT SELECT ON TABLE ledger.relays TO {realm}_reader;

GRANT UPDATE("position") ON TABLE ledger.relays TO {realm}_observer;
GRANT UPDATE("position") ON TABLE ledger.relays TO {realm}_differ;
GRANT UPDATE("position") ON TABLE ledger.relays TO {realm}_planner;
GRANT UPDATE("position") ON TABLE ledger.relays TO {realm}_approver;
GRANT UPDATE("position") ON TABLE ledger.relays TO {realm}_executor;
GRANT UPDATE("position") ON TABLE ledger.relays TO {realm}_auditor;

GRANT SELECT ON TABLE ledger.schema_versions TO {realm}_observer;
GRANT SELECT ON TABLE ledger.schema_versions TO {realm}_differ;
GRANT SELECT ON TABLE ledger.schema_versions TO {realm}_planner;
GRANT SELECT ON TABLE ledger.schema_versions TO {realm}_approver;
GRANT SELECT ON TABLE ledger.schema_versions TO {realm}_executor;
GRANT SELECT ON TABLE ledger.schema_versions TO {realm}_auditor;
GRANT SELECT ON TABLE ledger.schema_versions TO {realm}_reader;

GRANT SELECT ON TABLE ledger.topics TO {realm}_observer;
GRANT SELECT ON TABLE ledger.topics TO {realm}_differ;
GRANT SELECT ON TABLE ledger.topics TO {realm}_planner;
GRANT SELECT ON TABLE ledger.topics TO {realm}_approver;
GRANT SELECT ON TABLE ledger.topics TO {realm}_executor;
GRANT SELECT ON TABLE ledger.topics TO {realm}_auditor;
GRANT SELECT ON TABLE ledger.topics TO {realm}_reader;

GRANT SELECT,INSERT ON TABLE ledger.work TO {realm}_observer;
GRANT SELECT,INSERT ON TABLE ledger.work TO {realm}_differ;
GRANT SELECT,INSERT ON TABLE ledger.work TO {realm}_planner;
GRANT SELECT,INSERT ON TABLE ledger.work TO {realm}_approver;
GRANT SELECT,INSERT ON TABLE ledger.work TO {realm}_executor;
GRANT SELECT,INSERT ON TABLE ledger.work TO {realm}_auditor;
GRANT SELECT ON TABLE ledger.work TO {realm}_reader;

GRANT UPDATE(pending) ON TABLE ledger.work TO {realm}_observer;
GRANT UPDATE(pending) ON TABLE ledger.work TO {realm}_differ;
GRANT UPDATE(pending) ON TABLE ledger.work TO {realm}_planner;
GRANT UPDATE(pending) ON TABLE ledger.work TO {realm}_approver;
GRANT UPDATE(pending) ON TABLE ledger.work TO {realm}_executor;
GRANT UPDATE(pending) ON TABLE ledger.work TO {realm}_auditor;
