"""`trueup observe` before anything is sent: which rows, of which type."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from cli.imports.source import Source
from cli.observe import commands
from cli.observe.events import send_events
from cli.observe.sending import Import, Observer, send
from cli.preview.logs import Columns
from common.errors import Refused

FINDING = {"name": "finding", "key": "reference", "source": "audit-tracker"}
RETEST = {"name": "retest", "key": "id", "source": "control-testing"}

SPECS = {
    "finding": {
        "about": "A finding.",
        "source": "audit-tracker",
        "key": "reference",
        "attributes": {
            "reference": {"from": "reference"},
            "ends_on": {"from": "ends", "read": "MMMM d, yyyy"},
        },
    }
}


class Service:
    """An observer with these entity types; it remembers what was sent to it."""

    def __init__(self, *types: dict[str, str]) -> None:
        self.types = types
        self.sent: list[Any] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            name = request.url.path.rpartition("/")[2]
            return httpx.Response(200, json=self.types if name == "entity-types" else {"spec": SPECS[name]})
        self.sent.append(json.loads(request.content))
        return httpx.Response(200, json={"results": [], "positions": []})

    @property
    def observer(self) -> Observer:
        return Observer("http://observer", "token", httpx.MockTransport(self))


@pytest.mark.parametrize(("name", "text"), [("a.csv", "a,b\n1,2\n1,3\n"), ("a.jsonl", '{"a": 1, "b": 2}\n')])
def test_a_file_without_the_keys_column_is_one_error_and_nothing_is_sent(
    tmp_path: Path, name: str, text: str
) -> None:
    file = tmp_path / name
    file.write_text(text)
    service = Service(FINDING)
    with pytest.raises(Refused, match="has no column 'reference', the key of finding; it has: a, b") as caught:
        send(service.observer, Import(Source(file), "finding", "2023-07-01T00:00:00Z"), lambda _: None)
    assert (caught.value.reason_code, service.sent) == ("no_key_column", [])


@pytest.mark.parametrize(
    ("types", "told"),
    [
        ((), "None is active yet"),
        ((FINDING,), "Add --type finding."),
        ((FINDING, RETEST), "one of: finding, retest."),
    ],
)
def test_without_a_type_the_active_ones_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, types: tuple[dict[str, str], ...], told: str
) -> None:
    (tmp_path / "a.csv").write_text("reference\nA\n")
    service = Service(*types)
    connected: Callable[[str, str], Observer] = lambda _url, _token: service.observer  # noqa: E731
    monkeypatch.setattr(commands, "Observer", connected)
    with pytest.raises(Refused) as caught:
        source = Source(tmp_path / "a.csv")
        commands._send(Import(source, "", "2023-07-01T00:00:00Z"), commands.Asked(source), "", "", "", as_json=True)
    assert caught.value.reason_code == "option_missing"
    assert told in caught.value.what_to_do


EVENTS = {"name": "application", "key": "case", "source": "loans"}
COLUMNS = Columns("case", "activity", "time")
FIRST = "2012-02-01T10:00:00+01:00"
LOG = (
    '<log><trace><string key="concept:name" value="7"/><string key="AMOUNT" value="5"/>'
    + "".join(
        f'<event><string key="concept:name" value="{what}"/><date key="time:timestamp" value="{at}"/></event>'
        for what, at in (("A", FIRST), ("A", FIRST), ("B", "2012-03-01T00:00:00Z"))
    )
    + "</trace></log>"
)  # fmt: skip


class Taking(Service):
    """An observer that takes everything."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return super().__call__(request)
        assert "snapshot" not in request.url.params
        body = json.loads(request.content)
        self.sent += body
        return httpx.Response(200, json={"results": [{"status": "accepted"} for _ in body]})


def test_each_event_of_a_log_is_sent_as_of_its_own_time_and_again_under_the_same_id(tmp_path: Path) -> None:
    file = tmp_path / "a.xes"
    file.write_text(LOG)
    service = Taking(EVENTS)
    read: list[int] = []
    outcome = send_events(service.observer, Import(Source(file), "application", ""), COLUMNS, "", read.append)
    assert (outcome.counts["accepted"], outcome.rows, sum(read)) == (3, 3, len(LOG))
    first, second, third = service.sent
    assert (first["time"], first["source"]) == ("2012-02-01T09:00:00Z", "loans")
    row = {"case": "7", "activity": "A", "time": FIRST}
    assert first["data"] == {"entity_type": "application", "row": {**row, "AMOUNT": "5"}}
    assert second["data"] == {"entity_type": "application", "row": row, "sequence": 1}
    assert len({first["id"], second["id"], third["id"]}) == 3
    send_events(
        service.observer, Import(Source(file), "application", ""), COLUMNS, "2012-02-01T10:00:00Z", read.append
    )
    assert service.sent[3:] == [first, second], "the same ids, and nothing later than asked for"


def test_a_log_is_not_sent_as_rows_that_are_whole(tmp_path: Path) -> None:
    file = tmp_path / "a.xes"
    file.write_text(LOG)
    service = Taking(FINDING)
    with pytest.raises(Refused, match="rows of finding are whole") as caught:
        send_events(service.observer, Import(Source(file), "finding", ""), None, "", lambda _: None)
    assert (caught.value.reason_code, service.sent) == ("not_events", [])
