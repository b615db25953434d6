"""CSV, JSONL and OSCAL: packed or not, of any encoding, hostile or real."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from cli.imports import source as sources
from cli.imports.formats import FORMATS, check_key, rows_of
from cli.imports.source import Source, Told
from common.errors import Refused
from hypothesis import given
from hypothesis import strategies as st

OSCAL = Path(__file__).parents[3] / "tests" / "support" / "oscal"


def read(path: Path, part: str = "") -> tuple[list[Any], Told]:
    told = Told()
    return list(rows_of(Source(path, part), told)), told


def reason(path: Path, part: str = "") -> str:
    with pytest.raises(Refused) as caught:
        read(path, part)
    assert caught.value.what_to_do
    return caught.value.reason_code


def test_every_ending_belongs_to_one_format() -> None:
    endings = [suffix for item in FORMATS for suffix in item.suffixes]
    assert len(set(endings)) == len(endings)


def test_packed_text_is_read_as_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b'\xef\xbb\xbfreference,title\nA,"two\nlines"\nB,x\n'))
    assert read(path)[0] == [(2, {"reference": "A", "title": "two\nlines"}), (4, {"reference": "B", "title": "x"})]


@pytest.mark.law
def test_a_packed_bomb_is_refused_at_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "LARGEST_FILE_BYTES", 1_000_000)
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"reference\n" + b"A\n" * 1_000_000))
    assert path.stat().st_size < 10_000
    assert reason(path) == "too_large"


@pytest.mark.parametrize(
    "data",
    [b"no gzip", gzip.compress(b"reference\nA\n")[:-9], gzip.compress(b"a" * 99)[:20]],
    ids=["no gzip", "cut before its sum", "cut"],
)
def test_what_can_not_be_unpacked_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(data)
    assert reason(path) == "bad_gzip"


ENCODINGS = ["utf-16", "utf-32", "latin-1", "cp1252"]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_another_encoding_is_refused_and_never_guessed(tmp_path: Path, name: str, encoding: str) -> None:
    path = tmp_path / name
    text = "reference,title\nA,Zürich\n" if name == "a.csv" else '{"reference": "A", "title": "Zürich"}\n'
    path.write_bytes(text.encode(encoding))
    assert reason(path) == "not_utf8"


@given(st.integers(0, 5_000), st.integers(1, 3_000))
def test_the_first_bad_byte_is_named_wherever_it_stands(before: int, piece: int) -> None:
    import tempfile  # noqa: PLC0415 - hypothesis and tmp_path don't mix

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(sources, "_READ_BYTES", piece)
        path = Path(folder) / "a.csv"
        good = ("reference\n" + "ü\n" * before).encode()
        path.write_bytes(good + b"\xff\n" + b"A\n" * 100)
        with pytest.raises(Refused, match=rf"byte {len(good)}\)"):
            read(path)


def test_an_empty_file_has_no_header_and_an_empty_jsonl_no_rows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"")
    (tmp_path / "a.jsonl").write_bytes(b"")
    (tmp_path / "a.json").write_bytes(b"")
    assert reason(tmp_path / "a.csv") == "bad_header"
    assert read(tmp_path / "a.jsonl") == ([], Told())
    assert reason(tmp_path / "a.json") == "bad_json"


def test_lines_that_are_no_row_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1.5, "b": null}\n[1]\n\n{"a": 1, "a": 2}\n{"a"\n')
    rows, told = read(path)
    assert rows == [(1, {"a": "1.5", "b": None})]
    assert [fault.split(": ")[0] for fault in told.faults] == ["a.jsonl:2", "a.jsonl:4", "a.jsonl:5"]


@pytest.mark.parametrize("number", ["1e400", "-1e309"])
def test_a_number_beyond_any_double_is_told_and_never_read_as_another(tmp_path: Path, number: str) -> None:
    """Written as a number nothing holds it: its line is left out, its document refused. As a text it is that text."""
    told_why = "a number is larger than any double; write it as a text"
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"id": "A", "n": {number}}}\n{{"id": "B", "n": "{number}"}}\n{{"id": "C", "n": [{number}]}}\n')
    rows, told = read(path)
    assert rows == [(2, {"id": "B", "n": number})]
    assert told.faults == [f"a.jsonl:1: {told_why}", f"a.jsonl:3: {told_why}"]
    path = tmp_path / "a.csv"
    path.write_text(f"id,n\nA,{number}\n")
    assert read(path)[0] == [(2, {"id": "A", "n": number})]
    path = written(tmp_path, [{"uuid": "a"}])
    path.write_text(path.read_text().replace('"a"', number))
    with pytest.raises(Refused, match=told_why) as refused:
        read(path)
    assert refused.value.reason_code == "bad_json"


def test_a_line_without_end_is_refused_within_bounds(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": "' + b"x" * sources.LARGEST_ROW_BYTES)
    assert reason(path) == "too_large"
    path = tmp_path / "a.csv"
    path.write_bytes(b'reference\n"' + b"x" * (sources.LARGEST_ROW_BYTES + 10))
    assert reason(path) == "too_large"


BOMBS = {
    "a line without end": b"A," * 8_000_000,
    "a header without end": b"",
    "a row of many quoted lines": b'A,"' + (b"x" * 999 + b"\n") * 16_000,
    "a row of many quoted cells": (b'"' + b"x" * 99 + b'\n",') * 160_000,
}


@pytest.mark.law  # each unpacks 16 MB
@pytest.mark.parametrize("name", ["a.csv.gz", "a.jsonl.gz"])
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_packed_row_without_end_is_refused_before_it_is_held(tmp_path: Path, name: str, bomb: bytes) -> None:
    path = tmp_path / name
    first = b"reference,title\n" if bomb else b"reference" * 1_800_000
    content = first + bomb if name == "a.csv.gz" else (first + bomb).replace(b"\n", b" ")
    path.write_bytes(gzip.compress(content, 1))
    del content
    tracemalloc.start()
    try:
        assert reason(path) == "too_large"
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * sources.LARGEST_ROW_BYTES


def test_the_bound_is_of_one_row_and_the_row_that_breaks_it_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    large = "x" * (sources.LARGEST_ROW_BYTES // 2)
    path.write_text("reference,title\n" + f'A,"{large}\n"\n' * 3)
    assert [place for place, _ in read(path)[0]] == [2, 4, 6]
    path.write_text(f'reference,title\nA,x\nB,"{large}\n{large}"\n')
    with pytest.raises(Refused, match=r"a\.csv:3: ") as refused:
        read(path)
    assert refused.value.reason_code == "too_large"


def test_the_key_is_looked_for_where_a_format_has_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n{"reference": "A"}\n')
    check_key(Source(path), "reference", "finding")
    with pytest.raises(Refused, match="has no column 'id', the key of finding; it has: a, reference"):
        check_key(Source(path), "id", "finding")


def test_the_real_plan_of_action_becomes_items_and_risks() -> None:
    items, told = read(OSCAL / "ifa_plan-of-action-and-milestones.json")
    assert [place for place, _ in items] == ["poam-items[0]", "poam-items[1]"]
    assert items[0][1]["related-risks"] == ["401c15c9-ad6b-4d4a-a591-7d53a3abb3b6"]
    assert dict(told.strange) == {"import-ssp": 1, "system-id": 1}
    risks, told = read(OSCAL / "ifa_plan-of-action-and-milestones.json", "risks")
    assert [(row["status"], row["deadline"], row["facet impact"]) for _, row in risks] == [
        ("deviation-approved", "2024-01-01T05:00:00-04:00", "high"),
        ("open", "2023-06-23T17:00:00-04:00", "high"),
    ]
    assert told.strange["risks[].remediations[].tasks"] == 2


def test_the_real_assessment_results_become_findings_and_observations() -> None:
    findings, _ = read(OSCAL / "ifa_assessment-results-example.json")
    assert [(place, row["target-id"], row["status-state"]) for place, row in findings] == [
        ("results[0].findings[0]", "ac-6.1_obj", "not-satisfied")
    ]
    seen, told = read(OSCAL / "ifa_assessment-results-example.json", "observations")
    assert [row["methods"] for _, row in seen] == [["TEST"], ["TEST"]]
    assert told.strange["observations[].subjects[].type"] == 2


def written(folder: Path, items: list[Any]) -> Path:
    path = folder / "a.json"
    path.write_text(json.dumps({"plan-of-action-and-milestones": {"poam-items": items}}))
    return path


def test_what_a_document_says_twice_is_open_and_what_is_strange_is_told(tmp_path: Path) -> None:
    props = [{"name": "severity", "value": "high"}, {"name": "severity", "value": "low"}, {"name": 1}]
    item = {"uuid": "a", "title": {"not": "text"}, "props": props, "methods": ["A", 1], "novel": []}
    rows, told = read(written(tmp_path, [item, "text"]))
    assert rows == [("poam-items[0]", {"uuid": "a", "prop severity": None, "methods": ["A"]})]
    assert [column for _, column, _ in told.empty] == ["prop severity"]
    assert set(told.strange) == {f"poam-items[].{path}" for path in ("title", "props[]", "methods", "novel")}
    assert told.faults == ["a.json:poam-items[1]: this is not an object"]


NAMES = (
    "uuid", "title", "props", "name", "value", "target", "status", "facets", "characterizations", "remediations",
    "subjects", "results", "risks", "findings",
)  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=30,
)


@given(ANYTHING)
def test_whatever_a_document_holds_is_a_row_or_told(value: Any) -> None:
    import tempfile  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.json"
        for root in ("plan-of-action-and-milestones", "assessment-results"):
            path.write_text(json.dumps({root: value}))
            try:
                rows, told = read(path, "risks")
            except Refused as refused:
                assert refused.reason_code == "unknown_format"
                continue
            assert all(isinstance(row, dict) for _, row in rows)
            assert len(told.strange) <= sources.MOST_PATHS + 1


def test_other_json_is_no_oscal(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"reference": "A"}]')
    assert reason(path) == "unknown_format"
    assert reason(OSCAL / "ifa_assessment-results-example.json", "poam-items") == "no_such_part"
    path.write_text("[" * 100_000)
    assert reason(path) == "bad_json"
