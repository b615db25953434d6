"""The log's standing as Prometheus reads it."""

from __future__ import annotations

from typing import get_args

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from auditor.ports import LogStanding, WitnessState


def exposition(standing: LogStanding, age_s: float | None) -> bytes:
    """The text of `/metrics`. `age_s`: seconds since the last seal, None before the first."""
    registry = CollectorRegistry()
    for name, says, value in (
        ("trueup_log_events", "Events in the ledger", standing.events),
        ("trueup_log_sealed_size", "Events that the newest checkpoint covers", standing.sealed),
        ("trueup_log_cosigned_size", "Events that the published checkpoint covers", standing.cosigned),
        ("trueup_log_problems", "What keeps the log from being sealed", len(standing.problems)),
    ):
        Gauge(name, says, registry=registry).set(value)
    if age_s is not None:
        Gauge("trueup_log_seconds_since_seal", "Age of the newest checkpoint", registry=registry).set(age_s)
    states = Gauge("trueup_log_witness_state", "1 for the state it is in", ["witness", "state"], registry=registry)
    sizes = Gauge("trueup_log_witness_size", "Largest checkpoint it cosigned", ["witness"], registry=registry)
    for witness in standing.witnesses:
        for state in get_args(WitnessState):
            states.labels(witness.name, state).set(int(witness.state == state))
        if witness.size is not None:
            sizes.labels(witness.name).set(witness.size)
    return generate_latest(registry)
