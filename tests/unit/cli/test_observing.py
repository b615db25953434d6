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
from cli.observe.sending import Import, Observer, send
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
