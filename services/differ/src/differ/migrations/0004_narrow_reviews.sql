-- The ledger position of the declarations by which a population was looked at, or is being looked at; null: not known.
ALTER TABLE differ.reviewed ADD COLUMN position bigint;
-- From where on declarations may have left things undecided that this review is to decide; null: all of them are.
ALTER TABLE differ.reviews ADD COLUMN since bigint;
