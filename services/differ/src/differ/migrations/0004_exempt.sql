-- Which missed rules of the entity are left alone, and why (accepted, ignored); null: none is.
ALTER TABLE differ.cases ADD COLUMN exempt text;
