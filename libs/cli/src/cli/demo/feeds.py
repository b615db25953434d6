"""The upstream systems of a scenario: they report snapshots to the observer over its real API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import httpx
from common.errors import Refused

from cli import web

BATCH = 500
TIMEOUT_S = 60.0
Rows = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Feeds:
    """`tokens` by feed. `requests` counts the rows of the demo's ticketing table."""

    url: str
    tokens: Mapping[str, str]
    requests: Callable[[], int]

    def snapshot(self, feed: str, entity_type: str, rows: Rows, simulated: set[str], as_of: str) -> int:
        """Report all `rows` of one type, by key, as they are at `as_of`. Answers how many there are.

        The messages' ids derive from the instant and the key, so that reporting again is safe. Raises `Refused`
        with the observer's reason code for the first row it does not take.
        """
        snapshot = f"{entity_type}-{as_of}"
        headers = {"authorization": f"Bearer {self.tokens[feed]}"}
        with web.client(base_url=self.url, headers=headers, timeout=TIMEOUT_S, trust_env=False) as http:
            waiting = iter(rows.items())
            while batch := list(islice(waiting, BATCH)):
                messages = [
                    _message(feed, entity_type, snapshot, key, row, key in simulated, as_of) for key, row in batch
                ]
                answer = _answered(http.post("/v1/observations", params={"snapshot": snapshot}, json=messages))
                _all_taken(answer["results"])
            report = {
                "entity_type": entity_type,
                "snapshot": snapshot,
                "as_of": as_of,
                "rows": len(rows),
                "complete": True,
                "simulated": bool(simulated),
            }
            _answered(http.post("/v1/snapshots", json=report))
        return len(rows)


def _message(
    feed: str, entity_type: str, snapshot: str, key: str, row: Mapping[str, str], simulated: bool, as_of: str
) -> dict[str, Any]:
    data: dict[str, Any] = {"entity_type": entity_type, "key": key, "row": dict(row), "simulated": simulated}
    return {
        "specversion": "1.0",
        "id": f"{snapshot}/{key}",
        "source": feed,
        "type": "trueup.upstream.observed.v1",
        "time": as_of,
        "data": data,
    }


def _answered(response: httpx.Response) -> dict[str, Any]:
    body = response.json()
    if not response.is_success:
        raise Refused(str(body.get("reason_code")), str(body.get("message")), str(body.get("what_to_do", "")))
    return dict(body)


def _all_taken(results: list[dict[str, Any]]) -> None:
    for result in results:
        if result["status"] == "rejected":
            raise Refused(str(result["reason_code"]), f"{result['id']}: {result['reason']}")
