"""How the polls stand, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from observer.adapters.poller import State

_LABELS = ("feed", "entity_type")


def exposition(states: Mapping[tuple[str, str], State], now: datetime) -> bytes:
    """The text of `/metrics`."""
    registry = CollectorRegistry()

    def gauge(name: str, says: str, *labels: str) -> Gauge:
        return Gauge(f"trueup_poll_{name}", says, (*_LABELS, *labels), registry=registry)

    rows = gauge("rows", "Rows that were read in order, since the first poll")
    refused = gauge("refused", "Rows that were refused, since the observer started")
    behind = gauge("behind", "How far the source is ahead: seconds, or numbers of its cursor")
    age = gauge("seconds_since_look", "Seconds since the table was looked at")
    problem = gauge("problem", "1 for what keeps the table from being read", "reason")
    for name, state in states.items():
        rows.labels(*name).set(state.rows)
        refused.labels(*name).set(state.refused)
        behind.labels(*name).set(state.behind)
        if state.looked_at is not None:
            age.labels(*name).set((now - state.looked_at).total_seconds())
        if state.reason:
            problem.labels(*name, state.reason).set(1)
    return generate_latest(registry)
