-- The transparency log over the ledger: its tree in tiles, the checkpoints that were signed, what witnesses objected to.

-- One row a tile, as wide as it is now: a tile grows at its end, and a narrower one is its beginning.
CREATE TABLE auditor.tiles (
    level  smallint NOT NULL CONSTRAINT tiles_level CHECK (level BETWEEN 0 AND 63),
    n      bigint   NOT NULL CONSTRAINT tiles_n CHECK (n >= 0),
    width  smallint NOT NULL CONSTRAINT tiles_width CHECK (width BETWEEN 1 AND 256),
    hashes bytea    NOT NULL CONSTRAINT tiles_hashes CHECK (octet_length(hashes) = 32 * width),
    CONSTRAINT tiles_place PRIMARY KEY (level, n)
);
ALTER TABLE auditor.tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;  -- hashes don't compress

-- Each continues the one before it, and no two continue the same: whoever seals from an outdated head fails here.
CREATE TABLE auditor.checkpoints (
    size      bigint      NOT NULL CONSTRAINT checkpoints_size PRIMARY KEY,
    former    bigint      NOT NULL CONSTRAINT checkpoints_former UNIQUE,
    note      bytea       NOT NULL,                      -- signed by the log, and by witnesses as they answer
    sealed_at timestamptz NOT NULL,                      -- wall clock
    cosigned  boolean     NOT NULL,                      -- the policy's quorum is reached
    CONSTRAINT checkpoints_grow CHECK (former >= 0 AND former < size)
);
CREATE INDEX checkpoints_cosigned ON auditor.checkpoints (size) WHERE cosigned;

-- What a witness said against the log, kept with what it was asked. Open until it cosigns again.
CREATE TABLE auditor.alarms (
    id        bigint      GENERATED ALWAYS AS IDENTITY CONSTRAINT alarms_id PRIMARY KEY,
    witness   text        COLLATE "C" NOT NULL,          -- its verifier key
    kind      text        COLLATE "C" NOT NULL CONSTRAINT alarms_kind CHECK (kind IN ('rewritten', 'rolled_back')),
    message   text        NOT NULL,
    note      bytea       NOT NULL,                      -- the checkpoint it was asked to cosign
    raised_at timestamptz NOT NULL,                      -- wall clock
    ended_at  timestamptz
);
CREATE UNIQUE INDEX alarms_open ON auditor.alarms (witness) WHERE ended_at IS NULL;
