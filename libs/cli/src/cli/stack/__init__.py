"""The parts that Trueup runs on, as local processes: PostgreSQL, a broker, the six services.

`Stack` starts all of it for one realm; `Postgres`, `Broker` and `Kafka` are usable alone.
Everything listens on loopback, asks for a password, and dies with its supervisor unless it was
started detached (`trueup up`). Importing this package starts nothing.
"""
