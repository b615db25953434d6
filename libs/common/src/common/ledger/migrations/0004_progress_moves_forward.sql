-- How far a service has come only grows, and is never beyond what the ledger holds: a login without its service's code
-- can't make it handle things twice, pass over what is still to come, or hold that back from the bus. Administrators may:
-- `trueup bus rebuild` sets relays back.
CREATE FUNCTION ledger.check_progress() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
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
DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['positions', 'relays', 'published'] LOOP
        EXECUTE format('CREATE TRIGGER forward BEFORE INSERT OR UPDATE ON ledger.%I '
                       'FOR EACH ROW EXECUTE FUNCTION ledger.check_progress()', t);
        EXECUTE format('ALTER TABLE ledger.%I ENABLE ALWAYS TRIGGER forward', t);
    END LOOP;
END $$;

REVOKE ALL ON FUNCTION ledger.check_progress FROM PUBLIC;
