-- How far each polled table was read, and the table as it was when that began. Written in the transaction that appends.
CREATE TABLE observer.polls (
    feed           text        COLLATE "C" NOT NULL,
    entity_type    text        COLLATE "C" NOT NULL,
    definition     text        NOT NULL,          -- the table, its columns and their types, as JSON
    schema_version bigint      NOT NULL,
    cursor_at      text,                          -- of the newest row; null: none was read yet
    tie_at         text,
    rows           bigint      NOT NULL DEFAULT 0,
    whole_at       timestamptz,                   -- when all rows were reported last
    CONSTRAINT polls_name PRIMARY KEY (feed, entity_type)
);
