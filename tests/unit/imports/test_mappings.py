"""A mapping of columns: kept, read again, and refused when the header is another."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from cli.imports import mappings
from cli.imports.formats import rows_of
from cli.imports.mappings import Mapping
from cli.imports.source import Source, Told
from common.declarations.loader import parse_spec
from common.declarations.models import EntityType
from common.errors import Refused
from hypothesis import given
from hypothesis import strategies as st

HEADER = ["Finding No.", "Title", "Due", "Notes"]


def spec() -> EntityType:
    attributes = {"number": {"from": "reference"}, "title": {"from": "title"}, "due": {"from": "ends_on"}}
    document = parse_spec(
        "EntityType", "finding", {"about": "A.", "source": "a", "key": "reference", "attributes": attributes}
    )
    assert isinstance(document.model, EntityType)
    return document.model


def made(*options: str, former: Mapping | None = None, header: list[str] = HEADER) -> Mapping:
    return mappings.made(former, options, header, Source(Path("a.xlsx"), "June", 2), ("finding", spec()))


FIRST = ("Finding No.=number", "Title=title", "Due=due", "Notes=")


def test_attributes_become_the_columns_they_are_read_from(tmp_path: Path) -> None:
    mapping = made(*FIRST)
    assert mapping.columns == {"Finding No.": "reference", "Title": "title", "Due": "ends_on"}
    assert mapping.renamed({"Finding No.": "A", "Title": "t", "Due": "x", "Notes": "n"}) == {
        "reference": "A",
        "title": "t",
        "ends_on": "x",
    }
    mappings.write(tmp_path / "finding.mapping.yaml", mapping)
    kept = mappings.read(tmp_path / "finding.mapping.yaml")
    assert (kept, kept.part, kept.header) == (mapping, "June", 2)


CHANGED = [
    (["Title", "Due", "Notes"], "the column 'Finding No.' went missing", '"COLUMN=reference"'),
    (["Number", *HEADER[1:]], "'Finding No.' went missing, and the column 'Number' is new", '"Number=reference"'),
    ([*HEADER, "Owner"], "the column 'Owner' is new", '"Owner="'),
]


@pytest.mark.parametrize(("header", "told", "hint"), CHANGED)
def test_another_header_is_refused_and_says_which_column(header: list[str], told: str, hint: str) -> None:
    with pytest.raises(Refused, match=re.escape(told)) as caught:
        made(*FIRST).check("a.xlsx", header)
    assert caught.value.reason_code == "header_changed"
    assert hint in caught.value.what_to_do


def test_the_order_of_columns_is_no_change() -> None:
    made(*FIRST).check("a.xlsx", HEADER[::-1])


def test_what_the_message_says_to_do_mends_it() -> None:
    header = ["Number", "Title", "Due", "Notes"]
    again = made("Number=reference", former=made(*FIRST), header=header)
    again.check("a.xlsx", header)
    assert again.columns["Number"] == "reference"
    assert again.ignored == ["Notes"]


def test_a_changed_header_gives_no_row(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("Number,Title\nA,t\n")
    mapping = Mapping(entityType="finding", columns={"No.": "reference", "Title": "title"})
    rows: list[Any] = []
    with pytest.raises(Refused, match=r"'No\.' went missing"):
        rows.extend(rows_of(Source(path), Told(), mapping))
    assert rows == []


WRONG = [
    ("Due", "does not say COLUMN=ATTRIBUTE"),
    ("Duee=due", "has no column 'Duee'"),
    ("Due=dew", "has no attribute 'dew'"),
]


@pytest.mark.parametrize(("option", "told"), WRONG)
def test_a_wrong_option_says_what_is_known(option: str, told: str) -> None:
    with pytest.raises(Refused, match=told) as caught:
        made(option)
    assert caught.value.reason_code == "bad_map"
    assert caught.value.what_to_do


BAD_FILES = [
    "columns: {a: b, c: b}\nentityType: finding\n",
    "columns: [a]\nentityType: finding\n",
    "entityType: finding\n",
    "columns: {a: b}\nentityType: finding\nother: 1\n",
    "columns: {a: b\n",
    "x: &a [*a]\n",
    "!!python/object/apply:os.system ['true']\n",
    "\xff".encode("latin-1").decode("latin-1") + "\x00",
]


@pytest.mark.parametrize("text", BAD_FILES)
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "finding.mapping.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(Refused) as caught:
        mappings.read(path)
    assert caught.value.reason_code == "bad_mapping"


@given(
    st.permutations(HEADER),
    st.lists(st.sampled_from(["number", "title", "due", ""]), min_size=4, max_size=4, unique=True),
)
def test_no_two_columns_ever_become_one(header: list[str], targets: list[str]) -> None:
    options = [f"{column}={target}" for column, target in zip(header, targets, strict=True)]
    mapping = made(*options, header=list(header))
    mapping.check("a.xlsx", header)
    assert len(set(mapping.columns.values())) == len(mapping.columns)
    row = mapping.renamed({column: column for column in header})
    assert len(row) + len(mapping.ignored) == len(header)
