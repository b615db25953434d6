"""A file of rows, sent to the observer as one snapshot of one entity type.

Message ids derive from the file's bytes, the instant and the key: sending the same file again stores nothing twice,
and a send that broke off is finished by repeating it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
from common.declarations.loader import parse_spec
from common.declarations.models import EntityType
from common.declarations.problems import Wrong
from common.declarations.reading import Reader
from common.errors import Refused

from cli import web
from cli.imports.formats import check_key, rows_of
from cli.imports.mappings import Mapping
from cli.imports.source import Place, Source, Told
from cli.imports.unread import Unread

BATCH_ROWS = 500
BATCH_BYTES = 2 * 1024 * 1024
TIMEOUT_S = 60.0
STATUSES = ("accepted", "unchanged", "duplicate", "rejected")
Sent = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Import:
    """What to send. `as_of` is RFC 3339. `complete`: entities that the file does not name have gone missing.
    `mapping`: which of its columns are which of the declaration's."""

    source: Source
    entity_type: str
    as_of: str
    complete: bool = True
    simulated: bool = False
    mapping: Mapping | None = None


@dataclass(slots=True)
class Outcome:
    """What became of it. `refused` has (place, reason code, reason); `faults` are lines that are no row at all.

    `complete` is False when anything was left out, whatever was asked: what is not known to be missing isn't.
    `total` is the control total that was sent: how many rows the file has, also those that were left out. None of a
    part of what there is, of which nobody knows how much it should be.
    """

    snapshot: str
    feed: str
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATUSES, 0))
    refused: list[tuple[Place, str, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    complete: bool = False
    positions: list[int] = field(default_factory=list)
    total: int | None = None

    @property
    def rows(self) -> int:
        """Rows that are stored, now or before."""
        return sum(self.counts.values()) - self.counts["rejected"]


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the file; `key` is its text in the key's column, empty where there is none."""

    number: Place
    key: str
    row: dict[str, Any]


class Observer:
    """The observer's API as one feed uses it. Raises `Refused` with the service's reason code.

    `transport` replaces the network (tests).
    """

    def __init__(self, url: str, token: str, transport: httpx.BaseTransport | None = None) -> None:
        self._http = web.client(
            base_url=url,
            headers={"authorization": f"Bearer {token}"},
            timeout=TIMEOUT_S,
            trust_env=False,
            transport=transport,
        )

    def __enter__(self) -> Observer:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def entity_types(self) -> list[dict[str, str]]:
        found: list[dict[str, str]] = self._call("GET", "/v1/entity-types")
        return found

    def declaration(self, entity_type: str) -> EntityType:
        """The active declaration of the type. Raises `Refused` also for one that this command can't read."""
        spec = self._call("GET", f"/v1/entity-types/{entity_type}")["spec"]
        try:
            made = parse_spec("EntityType", entity_type, spec).model
        except Wrong as error:
            told = f"the declaration of {entity_type} can't be read here: {error}"
            raise Refused("declaration_unreadable", told, "Use the command of the release that runs.") from error
        assert isinstance(made, EntityType)
        return made

    def observations(self, snapshot: str | None, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        body = orjson.dumps(messages)
        params = {} if snapshot is None else {"snapshot": snapshot}
        answer = self._call("POST", "/v1/observations", content=body, params=params)
        answered: list[dict[str, Any]] = answer["results"]
        return answered

    def count(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a control total."""
        answered: dict[str, Any] = self._call("POST", "/v1/observations", content=orjson.dumps([message]))["results"][
            0
        ]
        return answered

    def report(self, report: dict[str, Any]) -> list[int]:
        positions: list[int] = self._call("POST", "/v1/snapshots", json=report)["positions"]
        return positions

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            response = self._http.request(method, path, **arguments)
            body = response.json()
        except httpx.HTTPError as error:
            raise Refused(
                "unreachable", f"no answer from the observer: {error}", "Check --url, and that it runs: trueup status"
            ) from error
        except ValueError as error:
            raise Refused("not_the_observer", "what answers there is not the observer", "Check --url.") from error
        if response.is_success:
            return body
        told = body if isinstance(body, dict) else {}
        raise Refused(
            str(told.get("reason_code", "failed")), str(told.get("message", body)), str(told.get("what_to_do", ""))
        )


def send(observer: Observer, wanted: Import, sent: Sent) -> Outcome:
    """Send the file and the report that ends the snapshot. `sent` is told how many rows each request carried.

    Raises `Refused` when the file can't be read or lacks the key's column (then nothing was sent), the type isn't
    active, or the observer doesn't answer; what was sent until then is stored, and is a part of the snapshot when it
    is sent again.
    """
    rule = type_of(observer, wanted.entity_type)
    check_key(wanted.source, rule["key"], wanted.entity_type, wanted.mapping)
    outcome = Outcome(_snapshot(wanted), rule["source"])
    for batch in _batches(_lines(wanted, rule["key"], outcome.faults), wanted, outcome):
        messages = [message for _, message in batch]
        for (line, _), answer in zip(batch, observer.observations(outcome.snapshot, messages), strict=True):
            outcome.counts[answer["status"]] += 1
            if answer["status"] == "rejected":
                outcome.refused.append((line, str(answer["reason_code"]), str(answer["reason"])))
        sent(len(batch))
    outcome.complete = wanted.complete and not outcome.refused and not outcome.faults
    outcome.positions = observer.report(
        {
            "entity_type": wanted.entity_type,
            "snapshot": outcome.snapshot,
            "as_of": wanted.as_of,
            "rows": outcome.rows,
            "complete": outcome.complete,
            "simulated": wanted.simulated,
        }
    )
    if wanted.complete:
        _count(observer, wanted, outcome)
    return outcome


def _count(observer: Observer, wanted: Import, outcome: Outcome) -> None:
    """Say how many rows there should be, so that what was left out is known to be missing, until it comes in."""
    outcome.total = sum(outcome.counts.values()) + len(outcome.faults)
    data: dict[str, Any] = {"entity_type": wanted.entity_type, "rows": outcome.total}
    if wanted.simulated:
        data["simulated"] = True
    answer = observer.count(
        {
            "specversion": "1.0",
            "id": f"{outcome.snapshot}#rows",
            "source": outcome.feed,
            "type": "trueup.upstream.counted.v1",
            "time": wanted.as_of,
            "data": data,
        }
    )
    if answer["status"] == "rejected":
        raise Refused(str(answer["reason_code"]), str(answer["reason"]), "The rows are stored; the total is not.")


def survey(wanted: Import, spec: EntityType, read: Sent) -> tuple[int, Unread]:
    """How many rows there are to send, and what of them is going to be Unknown, because it can't be read. `read` is
    told of every row. Raises `Refused` when the file can't be read to its end: before anything is sent."""
    reader, unread, told = Reader(spec), Unread(), Told()
    rows = 0
    for place, row in rows_of(wanted.source, told, wanted.mapping):
        rows += 1
        unread.look(wanted.source.name, place, row, reader, spec)
        read(1)
    unread.take(wanted.source.name, told, spec)
    return rows, unread


def type_of(observer: Observer, entity_type: str) -> dict[str, str]:
    """What the observer says of the type. Raises `Refused` (`unknown_entity_type`)."""
    known = {item["name"]: item for item in observer.entity_types()}
    if entity_type not in known:
        active = ", ".join(known) or "none"
        raise Refused(
            "unknown_entity_type",
            f"no EntityType {entity_type!r} is active; active: {active}",
            "Propose one with trueup apply, and have it activated.",
        )
    return known[entity_type]


def _snapshot(wanted: Import) -> str:
    with wanted.source.path.open("rb") as file:
        whole = hashlib.file_digest(file, "sha256")
    if wanted.mapping is not None or wanted.source.part or wanted.source.header != 1:
        kept = wanted.mapping.model_dump() if wanted.mapping is not None else None
        whole.update(orjson.dumps([wanted.source.part, wanted.source.header, kept]))  # other rows of the same bytes
    digest = whole.hexdigest()[:12]
    marks = f"{wanted.complete:d}{wanted.simulated:d}"
    return f"{wanted.entity_type}-{wanted.as_of}-{digest}-{marks}"


def _lines(wanted: Import, key_column: str, faults: list[str]) -> Iterator[Line]:
    """The rows; a key that stands twice is a fault, because only one of them can be so."""
    first: dict[str, Place] = {}
    name = wanted.source.name
    for number, row in rows_of(wanted.source, Told(faults=faults), wanted.mapping):
        value = row.get(key_column)
        key = str(value).strip() if isinstance(value, str | int) else ""
        if key and first.setdefault(key, number) != number:
            faults.append(f"{name}:{number}: {key} stands on line {first[key]} already; this row is left out")
            continue
        yield Line(number, key, row)


def _batches(lines: Iterator[Line], wanted: Import, outcome: Outcome) -> Iterator[list[tuple[Place, dict[str, Any]]]]:
    batch: list[tuple[Place, dict[str, Any]]] = []
    size = 0
    for line in lines:
        message = _message(line, wanted, outcome)
        weight = len(orjson.dumps(message))
        if batch and (len(batch) == BATCH_ROWS or size + weight > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((line.number, message))
        size += weight
    if batch:
        yield batch


def _message(line: Line, wanted: Import, outcome: Outcome) -> dict[str, Any]:
    # A row without a usable key is sent too: the observer refuses it, and its refusal is on record.
    key = line.key if line.key.isprintable() and len(line.key) <= 80 else ""
    data: dict[str, Any] = {"entity_type": wanted.entity_type, "row": line.row}
    if wanted.simulated:
        data["simulated"] = True
    return {
        "specversion": "1.0",
        "id": f"{outcome.snapshot}/{key or f'line-{line.number}'}",
        "source": outcome.feed,
        "type": "trueup.upstream.observed.v1",
        "time": wanted.as_of,
        "data": data,
    }
