"""The log of the onboarding scenario, by days. It is not the project's to pass on: where it is expected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import orjson
from common.clock import instant
from common.errors import Refused

from cli import web
from cli.demo.scene import EXAMPLES
from cli.imports.source import Source
from cli.observe.events import messages
from cli.observe.sending import Import
from cli.preview.logs import Columns, events_of

LOG = EXAMPLES.parents[1] / "shared" / "data" / "bpic2012" / "bpic2012.xes.gz"
SOURCE = "https://doi.org/10.4121/uuid:3926db30-f712-4394-aebc-75976070e91f"
COLUMNS = Columns("case", "activity", "time")
BATCH = 1_000
TIMEOUT_S = 60.0


def the_log() -> Path:
    """The file. Raises `Refused` (`log_missing`) where there is none."""
    if not LOG.is_file():
        raise Refused(
            "log_missing",
            f"the log of BPI Challenge 2012 is not at {LOG}, and this project may not redistribute it",
            f"Get it from {SOURCE} and put it there; see examples/onboarding/SOURCE.md.",
        )
    return LOG


@dataclass(frozen=True, slots=True)
class Day:
    """What happened on one day, in order of time: upstream messages, ready to be sent. `ends` is its last second."""

    day: date
    ends: str
    messages: tuple[bytes, ...]


def by_days(path: Path, feed: str, entity_type: str, zone: ZoneInfo) -> list[Day]:
    """The whole log, by the days of `zone`, from the first with an event to the last; a day without any has none."""
    faults: list[str] = []
    wanted = Import(Source(path), entity_type, "")
    found: dict[date, list[tuple[datetime, int, bytes]]] = {}
    for place, event in enumerate(events_of(path, COLUMNS, faults)):
        ((_, message),) = messages([event], wanted, feed)
        day = event.at.astimezone(zone).date()
        found.setdefault(day, []).append((event.at, place, orjson.dumps(message)))
    if faults:
        raise Refused("bad_log", f"{path.name}: {faults[0]}", "Fetch it again.")
    return [
        Day(day, _ends(day, zone), tuple(message for _, _, message in sorted(found.get(day, ()))))
        for day in _days(min(found), max(found))
    ]


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=n) for n in range((last - first).days + 1))


def _ends(day: date, zone: ZoneInfo) -> str:
    midnight = datetime.combine(day + timedelta(days=1), time(), zone)
    return instant(midnight - timedelta(seconds=1))


@dataclass(frozen=True)
class Replay:
    """Reports a log in event time: the clock moves to the end of each day, then what happened on it is reported, as a
    nightly import would. `advance` moves the realm's clock once everybody has handled what was reported before,
    `settle` returns when everybody has."""

    url: str
    token: str
    advance: Callable[[str], object]
    settle: Callable[[], None]

    def tell(self, days: list[Day], told: Callable[[Day], None] = lambda _: None) -> int:
        """Replay these days and return how many events that were, when all of them have been handled. `told` is
        called with each day as soon as it has been reported. Raises `Refused` with the observer's reason where an
        event is refused."""
        count = 0
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        with web.client(base_url=self.url, headers=headers, timeout=TIMEOUT_S, trust_env=False) as http:
            for day in days:
                self.advance(day.ends)
                for start in range(0, len(day.messages), BATCH):
                    self._send(http, day.messages[start : start + BATCH])
                count += len(day.messages)
                told(day)
        self.settle()
        return count

    def _send(self, http: httpx.Client, batch: tuple[bytes, ...]) -> None:
        response = http.post("/v1/observations", content=b"[" + b",".join(batch) + b"]")
        answer: dict[str, Any] = response.json()
        if not response.is_success:
            raise Refused(str(answer.get("reason_code")), str(answer.get("message")), str(answer.get("what_to_do")))
        for result in answer["results"]:
            if result["status"] == "rejected":
                raise Refused(str(result["reason_code"]), str(result["reason"]), "Look: trueup status")
