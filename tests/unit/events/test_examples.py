"""A kept example of every version of every event type: what was stored once must be readable for good.

The files are lines of real ledgers. None of them is ever changed; a new type or version brings one more.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from common.events import MODELS, WRITER, Event, typed
from common.events.upcasting import STEPS, newest, upcast
from common.ids import category

EXAMPLES = Path(__file__).parent / "examples"
KEPT = sorted(EXAMPLES.glob("*.json"))


def versions(type_: str) -> list[str]:
    """All versions up to this one."""
    name, number = re.fullmatch(r"(.+\.v)(\d+)", type_).groups()  # type: ignore[union-attr]
    return [f"{name}{older}" for older in range(1, int(number) + 1)]


def test_every_version_of_every_type_has_one_and_nothing_else_does() -> None:
    assert {path.stem for path in KEPT} == {version for type_ in MODELS for version in versions(type_)}


def test_every_older_version_has_a_step_to_the_next() -> None:
    assert set(STEPS) == {version for type_ in MODELS for version in versions(type_)[:-1]}


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_a_kept_example_reads_into_todays_model(path: Path) -> None:
    raw = path.read_bytes().removesuffix(b"\n")
    event = Event.decode(raw)
    assert event.encode() == raw, "the bytes are the event"
    assert event.type == path.stem

    data = typed(event)
    assert type(data) is MODELS[newest(event.type)]
    assert data.model_dump(mode="json", exclude_none=True) == upcast(event.type, event.data)[1]
    assert WRITER[data.TYPE] == event.source
    assert category(event.subject) == data.CATEGORY
