"""Rows read once and held, or read again and not held: the same rows count, and the same faults are told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli.imports.source import Source
from cli.preview import states
from cli.preview.states import State
from common.declarations.loader import load
from common.declarations.models import EntityType
from common.declarations.reading import Reader
from common.errors import Refused
from hypothesis import given
from hypothesis import strategies as st

PAGE = """\
apiVersion: trueup/v1alpha1
kind: EntityType
metadata: {name: thing}
spec: {about: A thing., source: s, key: id, attributes: {state: {from: state}}}
"""
(DOCUMENT,) = load(PAGE, "page.yaml").documents
assert isinstance(DOCUMENT.model, EntityType)
READER = Reader(DOCUMENT.model)
CELLS = st.lists(st.sampled_from(["a", "b", "c", "", " a ", "é", "1"]), min_size=0, max_size=12)


def both(path: Path) -> tuple[State, State]:
    held, streamed = State("thing"), State("thing")
    states.read(held, Source(path), READER)
    states.stream(streamed, Source(path), READER)
    return held, streamed


def same(path: Path) -> None:
    held, streamed = both(path)
    one = sorted(held.each(READER), key=lambda row: row.key)
    for _ in range(2):  # it may be gone through more than once
        assert sorted(streamed.each(READER), key=lambda row: row.key) == one
    assert sorted(streamed.faults) == sorted(held.faults)
    assert streamed.rows == {}


@given(keys=CELLS)
def test_the_last_row_of_a_key_counts_whether_rows_are_held_or_not(
    tmp_path_factory: pytest.TempPathFactory, keys: list[str]
) -> None:
    path = tmp_path_factory.mktemp("rows") / "things.csv"
    path.write_text("id,state\n" + "".join(f"{key},{at}\n" for at, key in enumerate(keys)), "utf-8")
    same(path)


@given(keys=CELLS)
def test_so_in_jsonl(tmp_path_factory: pytest.TempPathFactory, keys: list[str]) -> None:
    path = tmp_path_factory.mktemp("rows") / "things.jsonl"
    rows = [json.dumps({"id": key, "state": str(at)}) for at, key in enumerate(keys)]
    path.write_text("\n".join([*rows, "nonsense", ""]), "utf-8")
    same(path)


def test_keys_that_are_alike_in_the_table_of_bits_are_still_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(states, "_BITS", 8)  # every key is doubtful soon
    path = tmp_path / "things.csv"
    path.write_text("id,state\n" + "".join(f"T-{at % 40},{at}\n" for at in range(50)), "utf-8")
    same(path)
    held, _ = both(path)
    assert len(held.rows) == 40
    assert len(held.faults) == 10


@pytest.mark.law
def test_what_is_no_text_is_refused_wherever_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "things.csv"
    path.write_bytes(b"id,state\n" + b"a,b\n" * 50_000 + b"\xff,c\n")
    for take in (states.read, states.stream):
        with pytest.raises(Refused, match="not UTF-8"):
            take(State("thing"), Source(path), READER)
