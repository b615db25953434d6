"""The open transparency-log formats: what an examiner needs to check a log, and a log to be checked.

Pure functions and values: no I/O, no clock; randomness only where a new key is made. Needs `cryptography` for Ed25519
and nothing else, so that it can be installed alone.

`merkle` (RFC 6962) → `tiles` (tlog-tiles) → `notes` (signed-note) → `checkpoints` (tlog-checkpoint) →
`cosignatures` (tlog-cosignature) → `witnessing` (tlog-witness), `policies` (tlog-policy) → `proofs` (tlog-proof).
"""
