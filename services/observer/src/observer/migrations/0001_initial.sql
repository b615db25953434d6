-- The observer's own tables. Run once, as the observer's role; harmless where the tables are there already.

-- What was refused. The payload may hold anything, also what must be erased: it is here and not in the ledger.
CREATE TABLE IF NOT EXISTS observer.rejections (
    number       bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,   -- order of listing; may have gaps
    id           text        COLLATE "C" NOT NULL,                    -- of the ObservationRejected event
    feed         text        NOT NULL,
    event        text        NOT NULL,                                -- that event's data
    payload      bytea,                                               -- null: too large to keep, or erased
    erased       boolean     NOT NULL DEFAULT false,
    refused_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT rejections_id PRIMARY KEY (id)
);
CREATE UNIQUE INDEX IF NOT EXISTS rejections_by_feed ON observer.rejections (feed, number);
CREATE UNIQUE INDEX IF NOT EXISTS rejections_by_number ON observer.rejections (number);

-- Rows of snapshots that are being received, until their report.
CREATE TABLE IF NOT EXISTS observer.snapshot_rows (
    feed        text        COLLATE "C" NOT NULL,
    entity_type text        COLLATE "C" NOT NULL,
    snapshot    text        COLLATE "C" NOT NULL,
    key         text        COLLATE "C" NOT NULL,
    row_digest  text        NOT NULL,
    stored      boolean     NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT snapshot_rows_all PRIMARY KEY (feed, entity_type, snapshot, key)
);
