-- The same append with less work: the session's rights are looked up once, a stream's versions are counted only where
-- a stream may come twice, and who isn't the owner meets the trigger on inserts without asking the catalogue.
-- What the database refuses besides: an event without the signature that its type needs, and an erasure that nobody
-- asked for, that who asked approves, or that nobody approved.

-- What a service may append, {type: category}, and what of it carries its signature, [type], beside the service itself:
-- one row to read instead of a join to make. Filled by who installs.
ALTER TABLE ledger.services ADD COLUMN rights jsonb NOT NULL DEFAULT '{}', ADD COLUMN signed jsonb NOT NULL DEFAULT '[]';

-- The second check of role x category x type, in the table's own words: functions would be called for each insert.
ALTER POLICY own_streams ON ledger.events WITH CHECK (
    source = (SELECT s.service FROM ledger.services s WHERE s.role = session_user)
    AND split_part(stream, '/', 1) = (SELECT s.rights FROM ledger.services s WHERE s.role = session_user) ->> type);

DROP FUNCTION ledger.session_rights();
DROP TABLE ledger.rights;

-- The same trigger in two: inserts by the owner, which are those of ledger.append, don't call it.
CREATE OR REPLACE FUNCTION ledger.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: % by % is refused', TG_OP, session_user
        USING ERRCODE = 'insufficient_privilege', HINT = 'Append through ledger.append().';
END $$;
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.events
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
DO $$
BEGIN
    EXECUTE format('CREATE TRIGGER through_append BEFORE INSERT ON ledger.events FOR EACH STATEMENT '
                   'WHEN (current_user <> %L) EXECUTE FUNCTION ledger.refuse_change()', current_user);
END $$;
ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER through_append;

DROP FUNCTION ledger.place(text[], text, jsonb, text, text, bigint, timestamptz);
DROP FUNCTION ledger.examined(text[], text, jsonb, text, text);
DROP FUNCTION ledger.append(text[], int[]);

-- The functions from here to `examined` are expressions and queries that PostgreSQL puts in place of their calls.

-- Whether a text is a whole number that fits. Without a pattern: those cost ten times as much.
CREATE FUNCTION ledger.whole(said text) RETURNS boolean LANGUAGE sql IMMUTABLE
RETURN length(said) BETWEEN 1 AND 18 AND translate(said, '0123456789', '') = '';

-- Whether the attributes of an event have the JSON types of an envelope. json_to_record makes text of whatever it finds,
-- so that a column that is a copy would say '5' where the bytes say 5, and nothing could be sealed any more.
CREATE FUNCTION ledger.typed(event json) RETURNS boolean LANGUAGE sql IMMUTABLE
RETURN (event -> 'specversion')::text = '"1.0"' AND json_typeof(event -> 'data') = 'object'
    AND (coalesce(json_typeof(event -> 'streamversion'), 'null') = 'null'
         OR ledger.whole((event -> 'streamversion')::text))
    AND (SELECT bool_and(coalesce(json_typeof(event -> a.name), 'null') = 'string' OR
                         a.optional AND coalesce(json_typeof(event -> a.name), 'null') = 'null')
         FROM (VALUES ('actor', false), ('asof', false), ('caseid', true), ('causationid', true),
                      ('correlationid', true), ('id', false), ('signature', true), ('source', false),
                      ('subject', false), ('time', false), ('traceparent', true), ('type', false))
              AS a (name, optional));

-- The same, asked of what json_to_record made of it. Services write the attributes in the order of their names and
-- without spaces (RFC 8785), so that putting together again what was read gives the same bytes, and could not if one of
-- them were of another type, or there twice, or escaped. Only who writes otherwise is asked for each attribute.
CREATE FUNCTION ledger.is_typed(
    event text, actor text, asof text, case_id text, causation text, correlation text, data json, id text,
    signature text, source text, expected text, stream text, written text, trace text, type text)
RETURNS boolean LANGUAGE sql IMMUTABLE
RETURN CASE
    WHEN event = '{"actor":"' || actor || '","asof":"' || asof
        || coalesce('","caseid":"' || case_id, '') || coalesce('","causationid":"' || causation, '')
        || coalesce('","correlationid":"' || correlation, '') || '","data":' || data::text
        || ',"datacontenttype":"application/json","id":"' || id || coalesce('","signature":"' || signature, '')
        || '","source":"' || source || '","specversion":"1.0"' || coalesce(',"streamversion":' || expected, '')
        || ',"subject":"' || stream || '","time":"' || written || coalesce('","traceparent":"' || trace, '')
        || '","type":"' || type || '"}'
    THEN left(data::text, 1) = '{' AND (expected IS NULL OR ledger.whole(expected))
    ELSE ledger.typed(event::json)
END;

-- Whether it is nested deeper than readers read. Only who has so many brackets is asked how they are nested.
CREATE FUNCTION ledger.too_deep(event text) RETURNS boolean LANGUAGE sql STABLE
RETURN CASE
    WHEN octet_length(event) < 512
      OR octet_length(event) - octet_length(replace(replace(event, '{', ''), '[', '')) < 256 THEN false
    ELSE jsonb_path_exists(event::jsonb, '$.**{256}')
END;

-- Why this can't be appended whatever the ledger holds ('reason_code: message'), or null. `rights` is {type: category}
-- of all that the session's service may append, `signed` the types of them that it signs.
CREATE FUNCTION ledger.forbidden(
    event text, typed boolean, source text, id text, stream text, type text, written text,
    signature text, service text, rights jsonb, signed jsonb)
RETURNS text LANGUAGE sql STABLE
RETURN CASE
    WHEN id IS NULL OR stream IS NULL OR source IS NULL OR type IS NULL OR written IS NULL
        OR typed IS NOT TRUE
    THEN 'malformed_event: an event needs specversion 1.0, id, source, type, subject, time, asof, actor and data, '
        'each of its JSON type'
    WHEN translate(written, '123456789', '000000000') NOT IN ('0000-00-00T00:00:00.000000Z', '0000-00-00T00:00:00Z')
    THEN 'malformed_event: its time is not written as 2026-01-31T23:59:59Z or 2026-01-31T23:59:59.999999Z'
    WHEN ledger.too_deep(event)
    THEN 'malformed_event: it is nested deeper than 255 levels'
    WHEN octet_length(event) > 900000
    THEN 'oversized: the event has ' || octet_length(event) || ' bytes; at most 900000 are accepted'
    WHEN (source = service AND split_part(stream, '/', 1) = rights ->> type) IS NOT TRUE
    THEN 'forbidden_stream: the role ' || session_user || ' may not append ' || type || ' as ' || source
        || ' to the stream ' || stream
    WHEN signed ? type AND (signature ~ ('^service:' || service || '/[0-9a-f]{16}:[A-Za-z0-9+/]{86}==$')) IS NOT TRUE
    THEN 'signature_missing: ' || type || ' needs the signature of the service ' || service
END;

-- Why this can't be appended now ('reason_code: message'), or null.
CREATE FUNCTION ledger.obstacle(
    stream text, version bigint, expected bigint, written text, earliest text, latest text)
RETURNS text LANGUAGE sql STABLE
RETURN CASE
    WHEN written COLLATE "C" < earliest OR written COLLATE "C" > latest
    THEN 'time_out_of_bounds: the event says ' || written || '; the database accepts ' || earliest
        || ' to ' || latest || '; check the clocks'
    WHEN expected <> version
    THEN 'version_conflict: the stream ' || stream || ' is at version ' || (version - 1)
        || ', and version ' || expected || ' was expected to come next'
END;

-- Reads the events' own words, so that no caller can say one thing to the database and another to the reader.
-- `last` is the version of the stream's last stored event, 0 for none.
CREATE FUNCTION ledger.said(events text[])
RETURNS TABLE (ordinal bigint, event text, typed boolean, source text, id text, stream text, type text,
               case_id text, expected bigint, written text, signature text, last bigint)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT g.ordinal, g.event,
           ledger.is_typed(g.event, x.actor, x.asof, x.caseid, x.causationid, x.correlationid, x.data, x.id, x.signature,
                           x.source, x.streamversion, x.subject, x."time", x.traceparent, x.type),
           x.source COLLATE "C", x.id COLLATE "C", x.subject COLLATE "C", x.type COLLATE "C", x.caseid COLLATE "C",
           CASE WHEN ledger.whole(x.streamversion) THEN x.streamversion::bigint END, x."time", x.signature,
           coalesce(l.version, 0)
    FROM unnest(events) WITH ORDINALITY AS g (event, ordinal)
    CROSS JOIN LATERAL json_to_record(g.event::json) AS x (
        actor text, asof text, caseid text, causationid text, correlationid text, data json, id text, signature text,
        source text, streamversion text, subject text, "time" text, traceparent text, type text)
    LEFT JOIN LATERAL (
        SELECT e.version FROM ledger.events e WHERE e.stream = x.subject COLLATE "C"
        ORDER BY e.version DESC LIMIT 1) l ON true;
END;

-- The same with the version that each gets, what there is to say against it, and what already has its source and id.
CREATE FUNCTION ledger.examined(
    events text[], service text, rights jsonb, signed jsonb, earliest text, latest text)
RETURNS TABLE (ordinal bigint, event text, source text, id text, stream text, version bigint, type text,
               case_id text, forbidden text, obstacle text, stored_position bigint, stored_event text, stored_same boolean)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT n.ordinal, n.event, n.source, n.id, n.stream, n.version, n.type, n.case_id,
           ledger.forbidden(n.event, n.typed, n.source, n.id, n.stream, n.type, n.written, n.signature,
                            service, rights, signed),
           ledger.obstacle(n.stream, n.version, n.expected, n.written, earliest, latest),
           s.position, s.event, s.stream = n.stream AND s.type = n.type
    FROM (SELECT x.*, x.last + row_number() OVER (PARTITION BY x.stream ORDER BY x.ordinal) AS version
          FROM ledger.said(events) x) n
    -- A plain join on a unique key: it costs nothing where the columns stored_* aren't asked for.
    LEFT JOIN ledger.events s ON s.id = n.id AND s.source = n.source;
END;

-- Appends one request, or says why not. `top` is the last position given out before it.
CREATE FUNCTION ledger.place(
    events text[], service text, rights jsonb, signed jsonb, earliest text, latest text, top bigint, at timestamptz)
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

-- Appends requests, each of one or more events. `requests[i]` numbers the request of `events[i]`; numbers ascend.
-- `apart`: the caller thinks that no stream comes twice. Where that is wrong, it costs time and nothing else.
--
-- Answers one row without a request number when all of it was appended: {position of the first event}; the others
-- follow without a gap. Otherwise one row per request, in order: its positions, and either nothing else
-- (appended), the stored bytes (all of it was stored before: adopt them), or a reason and a message and no
-- positions (refused, nothing of it was appended). A refused request has no effect on the others. A second request
-- for the same stream follows the first. Holds the ledger's only lock until the transaction ends: it must be the
-- last statement.
CREATE FUNCTION ledger.append(events text[], requests int[], apart boolean DEFAULT false)
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

-- A request that was refused, by whoever checks signatures, holds nobody up: any number of requests and approvals may
-- stand, also after an erasure that is said to be done. What counts of all these is for those to say who know the keys.
CREATE FUNCTION ledger.check_erasure(kind text, on_stream text, said jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
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

CREATE OR REPLACE FUNCTION ledger.check_privileged() RETURNS trigger
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
    ELSIF split_part(NEW.stream, '/', 1) IN ('erasure', 'erased') THEN
        PERFORM ledger.check_erasure(NEW.type, NEW.stream, said);
    ELSE
        PERFORM ledger.check_decision(NEW.type, NEW.case_id, NEW.stream, said);
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER privileged BEFORE INSERT ON ledger.events FOR EACH ROW
    WHEN (NEW.type IN (
        'trueup.declaration.proposed.v1', 'trueup.declaration.activated.v1', 'trueup.gap.confirmed.v1',
        'trueup.gap.disputed.v1', 'trueup.approval.given.v1', 'trueup.approval.refused.v1', 'trueup.plan.returned.v1',
        'trueup.release.given.v1', 'trueup.outcome.recorded.v1', 'trueup.plan.authorised.v1',
        'trueup.execution.started.v1', 'trueup.action.intended.v1', 'trueup.erasure.requested.v1',
        'trueup.erasure.approved.v1', 'trueup.erasure.done.v1'))
    EXECUTE FUNCTION ledger.check_privileged();
ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER privileged;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ledger FROM PUBLIC;
