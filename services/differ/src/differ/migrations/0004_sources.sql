-- What is known of each feed (common.entities.sources): as of when it last said anything, and why it is not complete.
CREATE TABLE differ.sources (
    feed   text        COLLATE "C" NOT NULL CONSTRAINT sources_feed PRIMARY KEY,
    heard  timestamptz NOT NULL,
    doubts text        NOT NULL,       -- of the last judgement, as JSON
    judged bigint      NOT NULL        -- that judgement's position, -1 without one
);
INSERT INTO differ.sources SELECT feed, max(as_of), '[]', -1 FROM differ.entities GROUP BY feed;
-- Which missed rules of the entity are left alone, and why (accepted, ignored); null: none is.
ALTER TABLE differ.cases ADD COLUMN exempt text;
