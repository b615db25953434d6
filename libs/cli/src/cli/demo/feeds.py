"""The upstream systems of a scenario: they report snapshots to the observer over its real API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import httpx
from common.clock import instant, parse_instant
from common.errors import Refused

BATCH = 500
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Feeds:
    """`tokens` by feed. `requests` counts the rows of the demo's ticketing table."""

    url: str
    tokens: Mapping[str, str]
    requests: Callable[[], int]

    def snapshot(
        self, feed: str, entity_type: str, rows: Mapping[str, Mapping[str, str]], simulated: set[str], as_of: str
    ) -> int:
        """Report all `rows` of one type, by key, as they are at `as_of`. Answers how many there are.

        Raises `Refused` with the observer's reason code for the first row it does not take.
        """
        raise NotImplementedError
