-- Objectives: what each entity of a population contributes, and which desired states must be measured again.

-- Derived from the entities by the active declarations; a review of the population writes all of it again.
CREATE TABLE differ.contributions (
    desired_state text COLLATE "C" NOT NULL,
    objective     text COLLATE "C" NOT NULL,
    key           text COLLATE "C" NOT NULL,
    surely        boolean NOT NULL,          -- it belongs to the population; false: that is Unknown
    answer        boolean,                   -- what is counted; null: Unknown, or a duration is measured
    at            timestamptz,
    dated         boolean NOT NULL,          -- false: when it counts is Unknown
    start         timestamptz,
    stop          timestamptz,
    stop_unknown  boolean NOT NULL,
    CONSTRAINT contributions_all PRIMARY KEY (desired_state, objective, key)
);

-- Desired states whose objectives must be measured again.
CREATE TABLE differ.measures (
    desired_state text COLLATE "C" NOT NULL CONSTRAINT measures_all PRIMARY KEY
);
