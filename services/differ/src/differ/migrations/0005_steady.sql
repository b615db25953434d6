-- Since when nothing of an open case fails, and when it is closed if that lasts (a declared `steady`); null: it fails.
ALTER TABLE differ.cases ADD COLUMN met_since timestamptz;
ALTER TABLE differ.cases ADD COLUMN closes_at timestamptz;
