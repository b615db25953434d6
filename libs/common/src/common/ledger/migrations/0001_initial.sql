-- The ledger of one realm. Run once, as the realm's owner role, which nobody can log in as; harmless where all of
-- this is there already.

CREATE TABLE IF NOT EXISTS ledger.events (
    position    bigint      NOT NULL,              -- dense, from 0: the leaf index of the transparency log
    event       text        NOT NULL,              -- the bytes; everything below is a copy taken from them
    source      text        COLLATE "C" NOT NULL,
    id          text        COLLATE "C" NOT NULL,
    stream      text        COLLATE "C" NOT NULL,
    version     bigint      NOT NULL,              -- of the stream, dense, from 1
    type        text        COLLATE "C" NOT NULL,
    case_id     text        COLLATE "C",
    recorded_at timestamptz NOT NULL,
    CONSTRAINT events_position PRIMARY KEY (position),
    CONSTRAINT events_id_source UNIQUE (id, source),  -- ids differ sooner than sources do
    CONSTRAINT events_stream_version UNIQUE (stream, version)
);
CREATE INDEX IF NOT EXISTS events_case ON ledger.events (case_id, position) WHERE case_id IS NOT NULL;

-- One row: the last position given out, -1 when there is none. Locking it is what makes positions dense.
CREATE TABLE IF NOT EXISTS ledger.head (
    one      boolean NOT NULL DEFAULT true,
    position bigint  NOT NULL,
    CONSTRAINT head_one PRIMARY KEY (one),
    CONSTRAINT head_only_one CHECK (one)
);
INSERT INTO ledger.head (position) VALUES (-1) ON CONFLICT (one) DO NOTHING;

-- Which login role is which service, and what a service may append.
CREATE TABLE IF NOT EXISTS ledger.services (
    role    name NOT NULL CONSTRAINT services_role PRIMARY KEY,
    service text COLLATE "C" NOT NULL
);
CREATE TABLE IF NOT EXISTS ledger.rights (
    service  text COLLATE "C" NOT NULL,
    category text COLLATE "C" NOT NULL,
    type     text COLLATE "C" NOT NULL,
    CONSTRAINT rights_all PRIMARY KEY (service, type)  -- a type belongs on one category of streams
);

-- Which service writes which topic of the bus.
CREATE TABLE IF NOT EXISTS ledger.topics (
    topic   text COLLATE "C" NOT NULL CONSTRAINT topics_topic PRIMARY KEY,
    service text COLLATE "C" NOT NULL
);

-- How far everybody is. A service writes only rows of its own; everybody reads all.
CREATE TABLE IF NOT EXISTS ledger.positions (      -- what a consumer has handled of a partition (its inbox)
    service   text   COLLATE "C" NOT NULL,
    topic     text   COLLATE "C" NOT NULL,
    partition int    NOT NULL,
    position  bigint NOT NULL,
    CONSTRAINT positions_all PRIMARY KEY (service, topic, partition)
);
CREATE TABLE IF NOT EXISTS ledger.relays (         -- everything up to here that the service wrote is on the bus
    service  text   COLLATE "C" NOT NULL CONSTRAINT relays_service PRIMARY KEY,
    position bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS ledger.published (      -- the last position put on a partition
    service   text   COLLATE "C" NOT NULL,
    topic     text   COLLATE "C" NOT NULL,
    partition int    NOT NULL,
    position  bigint NOT NULL,
    CONSTRAINT published_partition PRIMARY KEY (topic, partition)
);
CREATE TABLE IF NOT EXISTS ledger.work (           -- durable work a service still has to do
    service text   COLLATE "C" NOT NULL CONSTRAINT work_service PRIMARY KEY,
    pending bigint NOT NULL CONSTRAINT work_not_negative CHECK (pending >= 0)
);

CREATE OR REPLACE FUNCTION ledger.session_service() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN (SELECT s.service FROM ledger.services s WHERE s.role = session_user);

-- {type: category} of all that the session's service may append; null for a role that is no service.
CREATE OR REPLACE FUNCTION ledger.session_rights() RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN (SELECT jsonb_object_agg(r.type, r.category)
        FROM ledger.services s JOIN ledger.rights r ON r.service = s.service
        WHERE s.role = session_user);

-- Reads the events' own words, so that no caller can say one thing to the database and another to the reader.
-- forbidden: whatever the ledger holds, this can't be appended. obstacle: it can't be appended now.
-- stored_*: the event that already has this source and id. Both problems read 'reason_code: message'.
CREATE OR REPLACE FUNCTION ledger.examined(
    events text[], service text, rights jsonb, earliest text, latest text)
RETURNS TABLE (ordinal bigint, event text, source text, id text, stream text, version bigint, type text,
               case_id text, forbidden text, obstacle text, stored_position bigint, stored_event text, stored_same boolean)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT n.ordinal, n.event, n.source, n.id, n.stream, n.version, n.type, n.case_id,
           CASE
               WHEN n.id IS NULL OR n.stream IS NULL OR n.source IS NULL OR n.type IS NULL OR n.written IS NULL
                   OR n.specversion IS DISTINCT FROM '1.0'
               THEN 'malformed_event: an event needs specversion 1.0, id, source, type, subject and time'
               WHEN octet_length(n.event) > 900000
               THEN 'oversized: the event has ' || octet_length(n.event) || ' bytes; at most 900000 are accepted'
               WHEN n.source = service AND split_part(n.stream, '/', 1) = rights ->> n.type
               THEN NULL
               ELSE 'forbidden_stream: the role ' || session_user || ' may not append ' || n.type || ' as '
                   || n.source || ' to the stream ' || n.stream
           END,
           CASE
               WHEN n.written COLLATE "C" < earliest OR n.written COLLATE "C" > latest
               THEN 'time_out_of_bounds: the event says ' || n.written || '; the database accepts ' || earliest
                   || ' to ' || latest || '; check the clocks'
               WHEN n.expected <> n.version
               THEN 'version_conflict: the stream ' || n.stream || ' is at version ' || (n.version - 1)
                   || ', and version ' || n.expected || ' was expected to come next'
           END,
           s.position, s.event, s.stream = n.stream AND s.type = n.type
    FROM (
        SELECT g.ordinal, g.event, x.source COLLATE "C" AS source, x.id COLLATE "C" AS id,
               x.subject COLLATE "C" AS stream, x.type COLLATE "C" AS type, x.caseid COLLATE "C" AS case_id,
               x.streamversion AS expected, x."time" AS written, x.specversion,
               coalesce(l.version, 0) + row_number() OVER (PARTITION BY x.subject COLLATE "C" ORDER BY g.ordinal)
                   AS version
        FROM unnest(events) WITH ORDINALITY AS g (event, ordinal)
        CROSS JOIN LATERAL json_to_record(g.event::json) AS x (
            specversion text, source text, id text, subject text, type text, caseid text, streamversion bigint,
            "time" text)
        LEFT JOIN LATERAL (
            SELECT e.version FROM ledger.events e WHERE e.stream = x.subject COLLATE "C"
            ORDER BY e.version DESC LIMIT 1) l ON true
    ) n
    -- A plain join on a unique key: it costs nothing where the columns stored_* aren't asked for.
    LEFT JOIN ledger.events s ON s.id = n.id AND s.source = n.source;
END;

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
    INSERT INTO ledger.events (position, event, source, id, stream, version, type, case_id, recorded_at)
    SELECT top + e.ordinal, e.event, e.source, e.id, e.stream, e.version, e.type, e.case_id, at
    FROM ledger.examined(place.events, service, rights, earliest, latest) e;
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

-- Nobody writes but through ledger.append: not without the privilege, and with it (the owner, an administrator,
-- a replication session) not without taking these triggers off.
CREATE OR REPLACE FUNCTION ledger.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'INSERT' AND current_user = (SELECT c.relowner::regrole::name FROM pg_class c WHERE c.oid = TG_RELID)
    THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'the ledger is append-only: % by % is refused', TG_OP, session_user
        USING ERRCODE = 'insufficient_privilege', HINT = 'Append through ledger.append().';
END $$;
CREATE OR REPLACE TRIGGER append_only BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON ledger.events
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER append_only;

-- What append checks, the table checks again: role x category x type, for the owner too.
ALTER TABLE ledger.events ENABLE ROW LEVEL SECURITY;
ALTER TABLE ledger.events FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS everybody_reads ON ledger.events;
CREATE POLICY everybody_reads ON ledger.events FOR SELECT USING (true);
DROP POLICY IF EXISTS own_streams ON ledger.events;
CREATE POLICY own_streams ON ledger.events FOR INSERT WITH CHECK (
    source = (SELECT ledger.session_service())
    AND split_part(stream, '/', 1) = (SELECT ledger.session_rights()) ->> type);

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['positions', 'relays', 'published', 'work'] LOOP
        EXECUTE format('ALTER TABLE ledger.%I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE ledger.%I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('DROP POLICY IF EXISTS everybody_reads ON ledger.%I', t);
        EXECUTE format('CREATE POLICY everybody_reads ON ledger.%I FOR SELECT USING (true)', t);
        EXECUTE format('DROP POLICY IF EXISTS own_rows_new ON ledger.%I', t);
        EXECUTE format('CREATE POLICY own_rows_new ON ledger.%I FOR INSERT WITH CHECK '
                       '(service = (SELECT ledger.session_service()))', t);
        EXECUTE format('DROP POLICY IF EXISTS own_rows ON ledger.%I', t);
        EXECUTE format('CREATE POLICY own_rows ON ledger.%I FOR UPDATE USING '
                       '(service = (SELECT ledger.session_service()))', t);
    END LOOP;
END $$;

-- A row of a topic belongs to the topic's writer: whoever came first would stop its relay for good.
DROP POLICY IF EXISTS own_topics ON ledger.published;
CREATE POLICY own_topics ON ledger.published AS RESTRICTIVE FOR INSERT WITH CHECK (
    (topic, service) IN (SELECT t.topic, t.service FROM ledger.topics t));

REVOKE ALL ON ALL TABLES IN SCHEMA ledger FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ledger FROM PUBLIC;
