"""`trueup schema`, `explain`, `new` and `test`: what helps somebody write declarations.

`meanings` reads the page that says what each field means, `schema` joins it with the models, `reference` walks the
result; `starting` writes documents to begin with; `expected` are tests in YAML, `trying` decides them (pure).
"""
