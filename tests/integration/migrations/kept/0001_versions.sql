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

CREATE FUNCTION ledger.append(events text[], requests integer[]) RETURNS TABLE(request integer, positions bigint[], reason text, message text, stored text[])
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
        -- an id that is stored (or is there twice) breaks the unique key, and the policy checks rights once more.
        INSERT INTO ledger.events (position, event, source, id, stream, version, type, case_id, recorded_at)
        SELECT CASE WHEN e.forbidden IS NULL AND e.obstacle IS NULL THEN top + e.ordinal END,
               e.event, e.source, e.id, e.stream, e.version, e.type, e.case_id, at
        FROM ledger.examined(append.events, service, rights, earliest, latest) e;
        placed := total;
    EXCEPTION WHEN not_null_violation OR unique_violation OR insufficient_privilege THEN
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

ALTER FUNCTION ledger.append(events text[], requests integer[]) OWNER TO {realm}_owner;

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

CREATE FUNCTION ledger.examined(events text[], service text, rights jsonb, earliest text, latest text) RETURNS TABLE(ordinal bigint, event text, source text, id text, stream text, version bigint, type text, case_id text, forbidden text, obstacle text, stored_position bigint, stored_event text, stored_same boolean)
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
         CASE
             WHEN ((n.id IS NULL) OR (n.stream IS NULL) OR (n.source IS NULL) OR (n.type IS NULL) OR (n.written IS NULL) OR (n.specversion IS DISTINCT FROM '1.0'::text)) THEN 'malformed_event: an event needs specversion 1.0, id, source, type, subject and time'::text
             WHEN (octet_length(n.event) > 900000) THEN (('oversized: the event has '::text || octet_length(n.event)) || ' bytes; at most 900000 are accepted'::text)
             WHEN ((n.source = examined.service) AND (split_part(n.stream, '/'::text, 1) = (examined.rights ->> n.type))) THEN NULL::text
             ELSE ((((((('forbidden_stream: the role '::text || (SESSION_USER)::text) || ' may not append '::text) || n.type) || ' as '::text) || n.source) || ' to the stream '::text) || n.stream)
         END AS "case",
         CASE
             WHEN (((n.written COLLATE "C") < examined.earliest) OR ((n.written COLLATE "C") > examined.latest)) THEN (((((('time_out_of_bounds: the event says '::text || n.written) || '; the database accepts '::text) || examined.earliest) || ' to '::text) || examined.latest) || '; check the clocks'::text)
             WHEN (n.expected <> n.version) THEN (((((('version_conflict: the stream '::text || n.stream) || ' is at version '::text) || (n.version - 1)) || ', and version '::text) || n.expected) || ' was expected to come next'::text)
             ELSE NULL::text
         END AS "case",
     s."position",
     s.event,
     ((s.stream = n.stream) AND (s.type = n.type))
    FROM (( SELECT g.ordinal,
             g.event,
             (x.source COLLATE "C") AS source,
             (x.id COLLATE "C") AS id,
             (x.subject COLLATE "C") AS stream,
             (x.type COLLATE "C") AS type,
             (x.caseid COLLATE "C") AS case_id,
             x.streamversion AS expected,
             x."time" AS written,
             x.specversion,
             (COALESCE(l.version, (0)::bigint) + row_number() OVER (PARTITION BY (x.subject COLLATE "C") ORDER BY g.ordinal)) AS version
            FROM ((unnest(examined.events) WITH ORDINALITY g(event, ordinal)
              CROSS JOIN LATERAL json_to_record((g.event)::json) x(specversion text, source text, id text, subject text, type text, caseid text, streamversion bigint, "time" text))
              LEFT JOIN LATERAL ( SELECT e.version
                    FROM ledger.events e
                   WHERE (e.stream = (x.subject COLLATE "C"))
                   ORDER BY e.version DESC
                  LIMIT 1) l ON (true))) n
      LEFT JOIN ledger.events s ON (((s.id = n.id) AND (s.source = n.source))));
END;

ALTER FUNCTION ledger.examined(events text[], service text, rights jsonb, earliest text, latest text) OWNER TO {realm}_owner;

CREATE FUNCTION ledger.place(events text[], service text, rights jsonb, earliest text, latest text, top bigint, at timestamp with time zone) RETURNS TABLE(positions bigint[], reason text, message text, stored text[])
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
    INSERT INTO ledger.events (position, event, source, id, stream, version, type, case_id, recorded_at)
    SELECT top + e.ordinal, e.event, e.source, e.id, e.stream, e.version, e.type, e.case_id, at
    FROM ledger.examined(place.events, service, rights, earliest, latest) e;
    RETURN QUERY SELECT array_agg(top + i ORDER BY i), NULL::text, NULL::text, NULL::text[]
                 FROM generate_series(1, seen.total) AS i;
END $$;

ALTER FUNCTION ledger.place(events text[], service text, rights jsonb, earliest text, latest text, top bigint, at timestamp with time zone) OWNER TO {realm}_owner;

CREATE FUNCTION ledger.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF TG_OP = 'INSERT' AND current_user = (SELECT c.relowner::regrole::name FROM pg_class c WHERE c.oid = TG_RELID)
    THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'the ledger is append-only: % by % is refused', TG_OP, session_user
        USING ERRCODE = 'insufficient_privilege', HINT = 'Append through ledger.append().';
END $$;

ALTER FUNCTION ledger.refuse_change() OWNER TO {realm}_owner;

CREATE TABLE ledger.rights (
    service text NOT NULL COLLATE pg_catalog."C",
    category text NOT NULL COLLATE pg_catalog."C",
    type text NOT NULL COLLATE pg_catalog."C"
);

ALTER TABLE ledger.rights OWNER TO {realm}_owner;

CREATE TABLE ledger.services (
    role name NOT NULL,
    service text NOT NULL COLLATE pg_catalog."C"
);

ALTER TABLE ledger.services OWNER TO {realm}_owner;

CREATE FUNCTION ledger.session_rights() RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN (SELECT jsonb_object_agg(r.type, r.category) AS jsonb_object_agg FROM (ledger.services s JOIN ledger.rights r ON ((r.service = s.service))) WHERE (s.role = SESSION_USER));

ALTER FUNCTION ledger.session_rights() OWNER TO {realm}_owner;

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
    selector_unknown text
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

CREATE TABLE differ.reviewed (
    desired_state text NOT NULL COLLATE pg_catalog."C",
    version text NOT NULL
);

ALTER TABLE differ.reviewed OWNER TO {realm}_differ;

CREATE TABLE differ.reviews (
    desired_state text NOT NULL COLLATE pg_catalog."C",
    entity_type text NOT NULL COLLATE pg_catalog."C",
    after_key text NOT NULL COLLATE pg_catalog."C",
    cause bigint NOT NULL
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

CREATE TABLE observer.rejections (
    number bigint NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    feed text NOT NULL,
    event text NOT NULL,
    payload bytea,
    erased boolean DEFAULT false NOT NULL,
    refused_at timestamp with time zone DEFAULT now() NOT NULL
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

INSERT INTO approver.entity_progress VALUES (true, -1, '');

INSERT INTO auditor.entity_progress VALUES (true, -1, '');

INSERT INTO differ.entity_progress VALUES (true, -1, '');

INSERT INTO executor.entity_progress VALUES (true, -1, '');

INSERT INTO ledger.events VALUES (0, '{"actor":"service:observer","asof":"2026-11-23T03:58:07.421638Z","data":{},"datacontenttype":"application/json","id":"ffc278eb055e71ac","source":"observer","specversion":"1.0","subject":"entity/thing/e94cc5a10c7ef055","time":"2026-11-23T03:58:07.421638Z","type":"trueup.entity.observed.v1"}', 'observer', 'ffc278eb055e71ac', 'entity/thing/e94cc5a10c7ef055', 1, 'trueup.entity.observed.v1', NULL, '2026-11-23 03:58:07.452136+00');
INSERT INTO ledger.events VALUES (1, '{"actor":"service:differ","asof":"2026-11-23T03:58:07.481607Z","data":{},"datacontenttype":"application/json","id":"fb4b562abfe7c759","source":"differ","specversion":"1.0","subject":"gap/ea57456058a89f7b","time":"2026-11-23T03:58:07.481607Z","type":"trueup.gap.opened.v1"}', 'differ', 'fb4b562abfe7c759', 'gap/ea57456058a89f7b', 1, 'trueup.gap.opened.v1', NULL, '2026-11-23 03:58:07.508577+00');
INSERT INTO ledger.events VALUES (2, '{"actor":"service:planner","asof":"2026-11-23T03:58:07.541097Z","data":{},"datacontenttype":"application/json","id":"85a3cbd6c28e559f","source":"planner","specversion":"1.0","subject":"plan/e5a2bb5d8cd5c7c8","time":"2026-11-23T03:58:07.541097Z","type":"trueup.plan.drafted.v1"}', 'planner', '85a3cbd6c28e559f', 'plan/e5a2bb5d8cd5c7c8', 1, 'trueup.plan.drafted.v1', NULL, '2026-11-23 03:58:07.568134+00');
INSERT INTO ledger.events VALUES (3, '{"actor":"service:approver","asof":"2026-11-23T03:58:07.597575Z","data":{},"datacontenttype":"application/json","id":"0fc098e9712afb47","source":"approver","specversion":"1.0","subject":"approval/ad3b49d4a6e6eb9a","time":"2026-11-23T03:58:07.597575Z","type":"trueup.approval.given.v1"}', 'approver', '0fc098e9712afb47', 'approval/ad3b49d4a6e6eb9a', 1, 'trueup.approval.given.v1', NULL, '2026-11-23 03:58:07.628589+00');
INSERT INTO ledger.events VALUES (4, '{"actor":"service:executor","asof":"2026-11-23T03:58:07.657708Z","data":{},"datacontenttype":"application/json","id":"991a5fee6de904e2","source":"executor","specversion":"1.0","subject":"execution/7f5eb0f8ac3482e5","time":"2026-11-23T03:58:07.657708Z","type":"trueup.execution.started.v1"}', 'executor', '991a5fee6de904e2', 'execution/7f5eb0f8ac3482e5', 1, 'trueup.execution.started.v1', NULL, '2026-11-23 03:58:07.690704+00');
INSERT INTO ledger.events VALUES (5, '{"actor":"service:auditor","asof":"2026-11-23T03:58:07.729649Z","data":{},"datacontenttype":"application/json","id":"950bebb21bed0e4c","source":"auditor","specversion":"1.0","subject":"attestation/5294e46f335c9242","time":"2026-11-23T03:58:07.729649Z","type":"trueup.case.closed.v1"}', 'auditor', '950bebb21bed0e4c', 'attestation/5294e46f335c9242', 1, 'trueup.case.closed.v1', NULL, '2026-11-23 03:58:07.767297+00');

INSERT INTO ledger.head VALUES (true, 5);

INSERT INTO ledger.migrations VALUES ('ledger', 1, 'initial', '4d39401d35d603dec2179f527fe3aeb93528f0c1a090cf0ffdf53471eb8d938d', '2026-11-23 03:58:07.059688+00', 'postgres');
INSERT INTO ledger.migrations VALUES ('observer', 1, 'initial', '0676f7387c16e3b37a4a61307f696977133dbfe326a7031c6ae322be2461ada3', '2026-11-23 03:58:07.072023+00', 'postgres');
INSERT INTO ledger.migrations VALUES ('differ', 1, 'initial', '21dba7c18f0c8934d2997b3588532c43957b87020de35514a4aa16a0cd034af6', '2026-11-23 03:58:07.100248+00', 'postgres');
INSERT INTO ledger.migrations VALUES ('planner', 1, 'initial', '73f585156f5bd3ac4208060cda6af7fd2eebc18c33f1474525619953e900a20a', '2026-11-23 03:58:07.128013+00', 'postgres');
INSERT INTO ledger.migrations VALUES ('approver', 1, 'initial', 'c7f3f4d5af502843d0aad89618d25a909c76a2885ccc352c1784882d19e768e7', '2026-11-23 03:58:07.207721+00', 'postgres');
INSERT INTO ledger.migrations VALUES ('executor', 1, 'initial', '1171936ad9314a0862979a67c7cbe5018e1bc58a782e8bc437a2c51268f2f193', '2026-11-23 03:58:07.275289+00', 'postgres');
INSERT INTO ledger.migrations VALUES ('auditor', 1, 'initial', '0a2032fff2f1c61b9db2c82db1bd8f97e72321136e7e73b386a43e5d3761cab8', '2026-11-23 03:58:07.35787+00', 'postgres');

INSERT INTO ledger.rights VALUES ('approver', 'approval', 'trueup.approval.given.v1');
INSERT INTO ledger.rights VALUES ('approver', 'approval', 'trueup.approval.refused.v1');
INSERT INTO ledger.rights VALUES ('approver', 'approval', 'trueup.approval.voided.v1');
INSERT INTO ledger.rights VALUES ('approver', 'approval', 'trueup.gap.confirmed.v1');
INSERT INTO ledger.rights VALUES ('approver', 'approval', 'trueup.gap.disputed.v1');
INSERT INTO ledger.rights VALUES ('approver', 'approval', 'trueup.outcome.recorded.v1');
INSERT INTO ledger.rights VALUES ('approver', 'approval', 'trueup.plan.authorised.v1');
INSERT INTO ledger.rights VALUES ('approver', 'approval', 'trueup.plan.expired.v1');
INSERT INTO ledger.rights VALUES ('approver', 'approval', 'trueup.plan.returned.v1');
INSERT INTO ledger.rights VALUES ('approver', 'approval', 'trueup.release.given.v1');
INSERT INTO ledger.rights VALUES ('approver', 'approval', 'trueup.ticket.opened.v1');
INSERT INTO ledger.rights VALUES ('approver', 'declaration', 'trueup.declaration.activated.v1');
INSERT INTO ledger.rights VALUES ('approver', 'declaration', 'trueup.declaration.proposed.v1');
INSERT INTO ledger.rights VALUES ('approver', 'realm', 'trueup.clock.advanced.v1');
INSERT INTO ledger.rights VALUES ('approver', 'realm', 'trueup.realm.created.v1');
INSERT INTO ledger.rights VALUES ('auditor', 'attestation', 'trueup.attestation.issued.v1');
INSERT INTO ledger.rights VALUES ('auditor', 'attestation', 'trueup.case.closed.v1');
INSERT INTO ledger.rights VALUES ('auditor', 'attestation', 'trueup.proof.seen.v1');
INSERT INTO ledger.rights VALUES ('auditor', 'attestation', 'trueup.verification.failed.v1');
INSERT INTO ledger.rights VALUES ('auditor', 'attestation', 'trueup.verification.inconclusive.v1');
INSERT INTO ledger.rights VALUES ('auditor', 'attestation', 'trueup.verification.passed.v1');
INSERT INTO ledger.rights VALUES ('differ', 'gap', 'trueup.gap.changed.v1');
INSERT INTO ledger.rights VALUES ('differ', 'gap', 'trueup.gap.closed.v1');
INSERT INTO ledger.rights VALUES ('differ', 'gap', 'trueup.gap.opened.v1');
INSERT INTO ledger.rights VALUES ('differ', 'gap', 'trueup.gap.undecided.v1');
INSERT INTO ledger.rights VALUES ('executor', 'execution', 'trueup.action.failed.v1');
INSERT INTO ledger.rights VALUES ('executor', 'execution', 'trueup.action.intended.v1');
INSERT INTO ledger.rights VALUES ('executor', 'execution', 'trueup.action.succeeded.v1');
INSERT INTO ledger.rights VALUES ('executor', 'execution', 'trueup.action.unknown.v1');
INSERT INTO ledger.rights VALUES ('executor', 'execution', 'trueup.execution.finished.v1');
INSERT INTO ledger.rights VALUES ('executor', 'execution', 'trueup.execution.halted.v1');
INSERT INTO ledger.rights VALUES ('executor', 'execution', 'trueup.execution.started.v1');
INSERT INTO ledger.rights VALUES ('observer', 'entity', 'trueup.entity.observed.v1');
INSERT INTO ledger.rights VALUES ('observer', 'entity', 'trueup.entity.withdrawn.v1');
INSERT INTO ledger.rights VALUES ('observer', 'source', 'trueup.observation.rejected.v1');
INSERT INTO ledger.rights VALUES ('observer', 'source', 'trueup.source.reported.v1');
INSERT INTO ledger.rights VALUES ('planner', 'plan', 'trueup.plan.drafted.v1');
INSERT INTO ledger.rights VALUES ('planner', 'plan', 'trueup.plan.superseded.v1');
INSERT INTO ledger.rights VALUES ('planner', 'plan', 'trueup.plan.withheld.v1');

INSERT INTO ledger.schema_versions VALUES ('ledger_0001');
INSERT INTO ledger.schema_versions VALUES ('observer_0001');
INSERT INTO ledger.schema_versions VALUES ('differ_0001');
INSERT INTO ledger.schema_versions VALUES ('planner_0001');
INSERT INTO ledger.schema_versions VALUES ('approver_0001');
INSERT INTO ledger.schema_versions VALUES ('executor_0001');
INSERT INTO ledger.schema_versions VALUES ('auditor_0001');

INSERT INTO ledger.services VALUES ('{realm}_observer', 'observer');
INSERT INTO ledger.services VALUES ('{realm}_differ', 'differ');
INSERT INTO ledger.services VALUES ('{realm}_planner', 'planner');
INSERT INTO ledger.services VALUES ('{realm}_approver', 'approver');
INSERT INTO ledger.services VALUES ('{realm}_executor', 'executor');
INSERT INTO ledger.services VALUES ('{realm}_auditor', 'auditor');

INSERT INTO ledger.topics VALUES ('state', 'observer');
INSERT INTO ledger.topics VALUES ('gaps', 'differ');
INSERT INTO ledger.topics VALUES ('plans', 'planner');
INSERT INTO ledger.topics VALUES ('declarations', 'approver');
INSERT INTO ledger.topics VALUES ('approvals', 'approver');
INSERT INTO ledger.topics VALUES ('clock', 'approver');
INSERT INTO ledger.topics VALUES ('executions', 'executor');
INSERT INTO ledger.topics VALUES ('attestations', 'auditor');

INSERT INTO planner.entity_progress VALUES (true, -1, '');

SELECT pg_catalog.setval('observer.rejections_number_seq', 1, false);

ALTER TABLE ONLY approver.cases
    ADD CONSTRAINT cases_pkey PRIMARY KEY (case_id);

ALTER TABLE ONLY approver.complete_snapshots
    ADD CONSTRAINT complete_snapshots_pkey PRIMARY KEY (feed, entity_type);

ALTER TABLE ONLY approver.entities
    ADD CONSTRAINT entities_pkey PRIMARY KEY (entity_type, key);

ALTER TABLE ONLY approver.entity_links
    ADD CONSTRAINT entity_links_pkey PRIMARY KEY (entity_type, through, target, key);

ALTER TABLE ONLY approver.entity_progress
    ADD CONSTRAINT entity_progress_pkey PRIMARY KEY (one);

ALTER TABLE ONLY approver.snapshot_parts
    ADD CONSTRAINT snapshot_parts_pkey PRIMARY KEY (feed, entity_type, snapshot, part);

ALTER TABLE ONLY approver.tasks
    ADD CONSTRAINT tasks_pkey PRIMARY KEY (case_id, step);

ALTER TABLE ONLY approver.timers
    ADD CONSTRAINT timers_pkey PRIMARY KEY (subject, name);

ALTER TABLE ONLY auditor.attestations
    ADD CONSTRAINT attestations_pkey PRIMARY KEY (case_id);

ALTER TABLE ONLY auditor.cases
    ADD CONSTRAINT cases_pkey PRIMARY KEY (case_id);

ALTER TABLE ONLY auditor.complete_snapshots
    ADD CONSTRAINT complete_snapshots_pkey PRIMARY KEY (feed, entity_type);

ALTER TABLE ONLY auditor.entities
    ADD CONSTRAINT entities_pkey PRIMARY KEY (entity_type, key);

ALTER TABLE ONLY auditor.entity_links
    ADD CONSTRAINT entity_links_pkey PRIMARY KEY (entity_type, through, target, key);

ALTER TABLE ONLY auditor.entity_progress
    ADD CONSTRAINT entity_progress_pkey PRIMARY KEY (one);

ALTER TABLE ONLY auditor.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (case_id);

ALTER TABLE ONLY auditor.snapshot_parts
    ADD CONSTRAINT snapshot_parts_pkey PRIMARY KEY (feed, entity_type, snapshot, part);

ALTER TABLE ONLY auditor.timers
    ADD CONSTRAINT timers_pkey PRIMARY KEY (subject, name);

ALTER TABLE ONLY differ.cases
    ADD CONSTRAINT cases_all PRIMARY KEY (desired_state, key);

ALTER TABLE ONLY differ.clock
    ADD CONSTRAINT clock_one PRIMARY KEY (one);

ALTER TABLE ONLY differ.complete_snapshots
    ADD CONSTRAINT complete_snapshots_pkey PRIMARY KEY (feed, entity_type);

ALTER TABLE ONLY differ.entities
    ADD CONSTRAINT entities_pkey PRIMARY KEY (entity_type, key);

ALTER TABLE ONLY differ.entity_links
    ADD CONSTRAINT entity_links_pkey PRIMARY KEY (entity_type, through, target, key);

ALTER TABLE ONLY differ.entity_progress
    ADD CONSTRAINT entity_progress_pkey PRIMARY KEY (one);

ALTER TABLE ONLY differ.reviewed
    ADD CONSTRAINT reviewed_all PRIMARY KEY (desired_state);

ALTER TABLE ONLY differ.reviews
    ADD CONSTRAINT reviews_all PRIMARY KEY (desired_state);

ALTER TABLE ONLY differ.snapshot_parts
    ADD CONSTRAINT snapshot_parts_pkey PRIMARY KEY (feed, entity_type, snapshot, part);

ALTER TABLE ONLY differ.timers
    ADD CONSTRAINT timers_pkey PRIMARY KEY (subject, name);

ALTER TABLE ONLY executor.actions
    ADD CONSTRAINT actions_pkey PRIMARY KEY (intent);

ALTER TABLE ONLY executor.complete_snapshots
    ADD CONSTRAINT complete_snapshots_pkey PRIMARY KEY (feed, entity_type);

ALTER TABLE ONLY executor.entities
    ADD CONSTRAINT entities_pkey PRIMARY KEY (entity_type, key);

ALTER TABLE ONLY executor.entity_links
    ADD CONSTRAINT entity_links_pkey PRIMARY KEY (entity_type, through, target, key);

ALTER TABLE ONLY executor.entity_progress
    ADD CONSTRAINT entity_progress_pkey PRIMARY KEY (one);

ALTER TABLE ONLY executor.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (case_id);

ALTER TABLE ONLY executor.snapshot_parts
    ADD CONSTRAINT snapshot_parts_pkey PRIMARY KEY (feed, entity_type, snapshot, part);

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

ALTER TABLE ONLY ledger.rights
    ADD CONSTRAINT rights_all PRIMARY KEY (service, type);

ALTER TABLE ONLY ledger.schema_versions
    ADD CONSTRAINT schema_versions_pkc PRIMARY KEY (version_num);

ALTER TABLE ONLY ledger.services
    ADD CONSTRAINT services_role PRIMARY KEY (role);

ALTER TABLE ONLY ledger.topics
    ADD CONSTRAINT topics_topic PRIMARY KEY (topic);

ALTER TABLE ONLY ledger.work
    ADD CONSTRAINT work_service PRIMARY KEY (service);

ALTER TABLE ONLY observer.rejections
    ADD CONSTRAINT rejections_id PRIMARY KEY (id);

ALTER TABLE ONLY observer.snapshot_rows
    ADD CONSTRAINT snapshot_rows_all PRIMARY KEY (feed, entity_type, snapshot, key);

ALTER TABLE ONLY planner.cases
    ADD CONSTRAINT cases_pkey PRIMARY KEY (case_id);

ALTER TABLE ONLY planner.complete_snapshots
    ADD CONSTRAINT complete_snapshots_pkey PRIMARY KEY (feed, entity_type);

ALTER TABLE ONLY planner.entities
    ADD CONSTRAINT entities_pkey PRIMARY KEY (entity_type, key);

ALTER TABLE ONLY planner.entity_links
    ADD CONSTRAINT entity_links_pkey PRIMARY KEY (entity_type, through, target, key);

ALTER TABLE ONLY planner.entity_progress
    ADD CONSTRAINT entity_progress_pkey PRIMARY KEY (one);

ALTER TABLE ONLY planner.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (case_id);

ALTER TABLE ONLY planner.snapshot_parts
    ADD CONSTRAINT snapshot_parts_pkey PRIMARY KEY (feed, entity_type, snapshot, part);

CREATE INDEX cases_by_people ON approver.cases USING gin (people);

CREATE INDEX cases_by_stage ON approver.cases USING btree (stage, case_id);

CREATE INDEX cases_with_ticket ON approver.cases USING btree (case_id) WHERE ticket_open;

CREATE INDEX entity_links_by_key ON approver.entity_links USING btree (entity_type, key);

CREATE INDEX timers_by_instant ON approver.timers USING btree (instant);

CREATE INDEX cases_by_stage ON auditor.cases USING btree (stage, case_id);

CREATE INDEX cases_watched ON auditor.cases USING btree (entity_type, key) WHERE watched;

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

CREATE TRIGGER append_only BEFORE INSERT OR DELETE OR UPDATE OR TRUNCATE ON ledger.events FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER append_only;

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

CREATE POLICY own_streams ON ledger.events FOR INSERT WITH CHECK (((source = ( SELECT ledger.session_service() AS session_service)) AND (split_part(stream, '/'::text, 1) = (( SELECT ledger.session_rights() AS session_rights) ->> type))));

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

REVOKE ALL ON FUNCTION ledger.append(events text[], requests integer[]) FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.append(events text[], requests integer[]) TO {realm}_observer;
GRANT ALL ON FUNCTION ledger.append(events text[], requests integer[]) TO {realm}_differ;
GRANT ALL ON FUNCTION ledger.append(events text[], requests integer[]) TO {realm}_planner;
GRANT ALL ON FUNCTION ledger.append(events text[], requests integer[]) TO {realm}_approver;
GRANT ALL ON FUNCTION ledger.append(events text[], requests integer[]) TO {realm}_executor;
GRANT ALL ON FUNCTION ledger.append(events text[], requests integer[]) TO {realm}_auditor;

GRANT SELECT ON TABLE ledger.events TO {realm}_observer;
GRANT SELECT ON TABLE ledger.events TO {realm}_differ;
GRANT SELECT ON TABLE ledger.events TO {realm}_planner;
GRANT SELECT ON TABLE ledger.events TO {realm}_approver;
GRANT SELECT ON TABLE ledger.events TO {realm}_executor;
GRANT SELECT ON TABLE ledger.events TO {realm}_auditor;
GRANT SELECT ON TABLE ledger.events TO {realm}_reader;

REVOKE ALL ON FUNCTION ledger.examined(events text[], service text, rights jsonb, earliest text, latest text) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.place(events text[], service text, rights jsonb, earliest text, latest text, top bigint, at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.refuse_change() FROM PUBLIC;

GRANT SELECT ON TABLE ledger.rights TO {realm}_observer;
GRANT SELECT ON TABLE ledger.rights TO {realm}_differ;
GRANT SELECT ON TABLE ledger.rights TO {realm}_planner;
GRANT SELECT ON TABLE ledger.rights TO {realm}_approver;
GRANT SELECT ON TABLE ledger.rights TO {realm}_executor;
GRANT SELECT ON TABLE ledger.rights TO {realm}_auditor;
GRANT SELECT ON TABLE ledger.rights TO {realm}_reader;

GRANT SELECT ON TABLE ledger.services TO {realm}_observer;
GRANT SELECT ON TABLE ledger.services TO {realm}_differ;
GRANT SELECT ON TABLE ledger.services TO {realm}_planner;
GRANT SELECT ON TABLE ledger.services TO {realm}_approver;
GRANT SELECT ON TABLE ledger.services TO {realm}_executor;
GRANT SELECT ON TABLE ledger.services TO {realm}_auditor;
GRANT SELECT ON TABLE ledger.services TO {realm}_reader;

REVOKE ALL ON FUNCTION ledger.session_rights() FROM PUBLIC;

REVOKE ALL ON FUNCTION ledger.session_service() FROM PUBLIC;
GRANT ALL ON FUNCTION ledger.session_service() TO {realm}_observer;
GRANT ALL ON FUNCTION ledger.session_service() TO {realm}_differ;
GRANT ALL ON FUNCTION ledger.session_service() TO {realm}_planner;
GRANT ALL ON FUNCTION ledger.session_service() TO {realm}_approver;
GRANT ALL ON FUNCTION ledger.session_service() TO {realm}_executor;
GRANT ALL ON FUNCTION ledger.session_service() TO {realm}_auditor;

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

GRANT SELECT,INSERT,UPDATE ON TABLE ledger.positions TO {realm}_observer;
GRANT SELECT,INSERT,UPDATE ON TABLE ledger.positions TO {realm}_differ;
GRANT SELECT,INSERT,UPDATE ON TABLE ledger.positions TO {realm}_planner;
GRANT SELECT,INSERT,UPDATE ON TABLE ledger.positions TO {realm}_approver;
GRANT SELECT,INSERT,UPDATE ON TABLE ledger.positions TO {realm}_executor;
GRANT SELECT,INSERT,UPDATE ON TABLE ledger.positions TO {realm}_auditor;
GRANT SELECT ON TABLE ledger.positions TO {realm}_reader;

GRANT SELECT,INSERT,UPDATE ON TABLE ledger.published TO {realm}_observer;
GRANT SELECT,INSERT,UPDATE ON TABLE ledger.published TO {realm}_differ;
GRANT SELECT,INSERT,UPDATE ON TABLE ledger.published TO {realm}_planner;
GRANT SELECT,INSERT,UPDATE ON TABLE ledger.published TO {realm}_approver;
GRANT SELECT,INSERT,UPDATE ON TABLE ledger.published TO {realm}_executor;
GRANT SELECT,INSERT,UPDATE ON TABLE ledger.published TO {realm}_auditor;
GRANT SELECT ON TABLE ledger.published TO {realm}_reader;

GRANT SELECT,INSERT,UPDATE ON TABLE ledger.relays TO {realm}_observer;
GRANT SELECT,INSERT,UPDATE ON TABLE ledger.relays TO {realm}_differ;
GRANT SELECT,INSERT,UPDATE ON TABLE ledger.relays TO {realm}_planner;
GRANT SELECT,INSERT,UPDATE ON TABLE ledger.relays TO {realm}_approver;
GRANT SELECT,INSERT,UPDATE ON TABLE ledger.relays TO {realm}_executor;
GRANT SELECT,INSERT,UPDATE ON TABLE ledger.relays TO {realm}_auditor;
GRANT SELECT ON TABLE ledger.relays TO {realm}_reader;

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

GRANT SELECT,INSERT,UPDATE ON TABLE ledger.work TO {realm}_observer;
GRANT SELECT,INSERT,UPDATE ON TABLE ledger.work TO {realm}_differ;
GRANT SELECT,INSERT,UPDATE ON TABLE ledger.work TO {realm}_planner;
GRANT SELECT,INSERT,UPDATE ON TABLE ledger.work TO {realm}_approver;
GRANT SELECT,INSERT,UPDATE ON TABLE ledger.work TO {realm}_executor;
GRANT SELECT,INSERT,UPDATE ON TABLE ledger.work TO {realm}_auditor;
GRANT SELECT ON TABLE ledger.work TO {realm}_reader;
