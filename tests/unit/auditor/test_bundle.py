"""What an examiner reads of a bundle: everything the narrative says, harmless, and the same each time."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from html.parser import HTMLParser

import pytest
from auditor.adapters.printing import pdf
from auditor.adapters.sheets import xlsx
from auditor.core import bundle, extracts, html, pages
from auditor.core.pages import Page, Section, Table, Told
from common.events import MODELS
from hypothesis import given
from hypothesis import strategies as st

from .forging import original

HOSTILE = "<script>alert(1)</script>&\"'<img src=x onerror=y> =1+1"
texts = st.text(max_size=40)


class Reader(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, raw: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(raw.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def hostile_page(text: str = HOSTILE) -> Page:
    table = Table("timeline", text, (text, "b"), ((text, text), ("1", text)), 1)
    return Page(text, text, (text,), ((text, text),), (Section(text, (Told(f"{text} [1, 2].", (1, 2)),)),), (table,))


def test_the_page_says_everything_that_the_narrative_says() -> None:
    told = Reader(html.html(pages.page(original()))).text
    for sentence in re.split(r"(?<=\]\.) |(?<=\]) (?=[A-Z])", " ".join(original().narrative.split())[400:]):
        assert not sentence.startswith("As of") or sentence in told
    body = [line.strip() for line in original().narrative.splitlines() if line.startswith("   ")]
    assert len(body) > 40
    assert all(line in told for line in body)


def test_it_tells_what_the_example_of_the_design_tells() -> None:
    """The six chapters of the design's example, with who, when and why, and everything that is simulated."""
    told = Reader(html.html(pages.page(original()))).text
    for title in (
        "1. What was wrong",
        "2. Why this change was made",
        "3. Who agreed",
        "4. What was done",
        "5. How it was checked",
        "6. What went wrong, and what we do not know",
    ):
        assert title in told
    for words in (
        "C. Adeyemi wrote it, T. Brandt put it in force",
        "J. Moreau (head-of-compliance) confirmed that the gap was real on 3 July 2023",
        "It set aside",
        "R. Osei (risk) approved the plan",
        "Nothing was carried out before the last approval",
        "had to hold until",
        "SIMULATED PEOPLE",
        "VERIFY.md",
    ):
        assert words in told


def test_every_citation_leads_to_its_record() -> None:
    reader = Reader(html.html(pages.page(original())))
    anchors = {attrs["id"] for _, attrs in reader.tags if attrs.get("id")}
    links = {attrs["href"] for tag, attrs in reader.tags if tag == "a"}
    assert len(links) > 20
    assert links <= {f"#{anchor}" for anchor in anchors}


@given(texts)
def test_nothing_from_outside_becomes_markup(text: str) -> None:
    clean, dirty = Reader(html.html(hostile_page("x"))), Reader(html.html(hostile_page(HOSTILE + text)))
    assert [tag for tag, _ in clean.tags] == [tag for tag, _ in dirty.tags if tag != "a"] + ["a"] * sum(
        tag == "a" for tag, _ in clean.tags
    ) or {tag for tag, _ in dirty.tags} == {tag for tag, _ in clean.tags}
    assert not {"script", "img"} & {tag for tag, _ in dirty.tags}
    assert all(not name.startswith("on") for _, attrs in dirty.tags for name in attrs)


def test_the_page_fetches_nothing() -> None:
    raw = html.html(pages.page(original()))
    assert b"default-src 'none'" in raw
    # Asked of the tags, not of the text: keys and signatures on the page may hold any letters, `//` among them.
    for tag, attributes in Reader(raw).tags:
        assert tag not in {"script", "img", "iframe", "object", "embed", "link", "base", "form"}
        assert not attributes.keys() & {"src", "srcset", "action", "background", "poster", "data"}
        assert (attributes.get("href") or "#").startswith("#")
        assert "url(" not in (attributes.get("style") or "")
    for style in re.findall(rb"<style>(.*?)</style>", raw, re.DOTALL):
        assert b"url(" not in style
        assert b"@import" not in style


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", " =", "＝", "＋", "－", "＠"])
def test_what_a_spreadsheet_would_calculate_is_text(start: str) -> None:
    assert extracts.harmless(f"{start}HYPERLINK(1)").startswith("'")


@given(st.lists(st.lists(texts, min_size=2, max_size=2), max_size=4))
def test_csv_is_read_back_as_it_was(rows: list[list[str]]) -> None:
    kept = tuple(tuple(cell.replace("\0", "") for cell in row) for row in rows)
    page = Page("t", "", (), (), (), (Table("facts", "t", ("a", "b"), kept, 0),))
    raw = extracts.extracts(page)["extracts/facts.csv"].decode("utf-8-sig")
    found = list(csv.reader(io.StringIO(raw, newline="")))[1:]
    assert [[cell.removeprefix("'") for cell in row] for row in found] == [
        [cell.removeprefix("'") for cell in row] for row in kept
    ]


def test_the_tables_say_before_and_after_and_who() -> None:
    by_name = {table.name: table for table in pages.page(original()).tables}
    facts = {row[0]: row[1:] for row in by_name["facts"].rows}
    assert facts["position"][0] == "in progress"
    assert facts["position"][2] == "complete"
    assert ("R. Osei", "r.osei") in {row[:2] for row in by_name["people"].rows}
    assert len(by_name["timeline"].rows) == len(by_name["index"].rows) == len(original().exhibits)


def test_pdf_and_workbook_have_the_same_bytes_each_time() -> None:
    page = pages.page(original())
    printed = pdf(page)
    assert printed == pdf(page)
    assert printed.startswith(b"%PDF-")
    assert xlsx(page) == xlsx(page)


def test_a_workbook_holds_texts_and_no_formulas() -> None:
    with zipfile.ZipFile(io.BytesIO(xlsx(hostile_page("=1+1")))) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
        assert {info.date_time[:3] for info in book.infolist()} == {(1980, 1, 1)}
    assert "<f>" not in sheet
    assert 't="s"' in sheet


def test_a_pdf_takes_any_text() -> None:
    for text in (HOSTILE, "<b><font", "日本語 Ωμέγα", "x" * 3_000, "\u202e\x00\x1b"):
        assert pdf(hostile_page(text)).startswith(b"%PDF-")


def test_there_is_a_schema_for_every_type() -> None:
    for kind in MODELS:
        described = json.loads(bundle.schema(kind))
        assert described["$schema"].startswith("https://json-schema.org/")
        assert described["properties"]


def test_pages_are_compared_with_what_the_records_give() -> None:
    files = dict(bundle.texts(pages.page(original())))
    assert bundle.written_again(original(), files).ok
    for name in list(files):
        found = bundle.written_again(original(), files | {name: files[name].replace(b"R. Osei", b"R. Osel")})
        assert found.ok is (b"R. Osei" not in files[name])
    assert bundle.written_again(original(), {}).ok is False
