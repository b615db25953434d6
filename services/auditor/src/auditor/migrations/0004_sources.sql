-- What is known of each feed (common.entities.sources): as of when it last said anything, and why it is not complete.
CREATE TABLE auditor.sources (
    feed   text        COLLATE "C" NOT NULL CONSTRAINT sources_feed PRIMARY KEY,
    heard  timestamptz NOT NULL,
    doubts text        NOT NULL,       -- of the last judgement, as JSON
    judged bigint      NOT NULL        -- that judgement's position, -1 without one
);
INSERT INTO auditor.sources SELECT feed, max(as_of), '[]', -1 FROM auditor.entities GROUP BY feed;
