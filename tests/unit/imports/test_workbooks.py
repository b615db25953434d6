"""Rows of workbooks: what a cell shows is what is reported; what is no plain workbook is refused, with the reason."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter
from cli.imports import workbook_guard, workbook_rows
from cli.imports.formats import rows_of
from cli.imports.source import Source, Told
from cli.imports.workbook_cells import moment_text, number_text
from common.errors import Refused
from hypothesis import given
from hypothesis import strategies as st

NUMBERS = [
    (42, "General", "42"),
    (0.1 + 0.2, "General", "0.3"),
    (1e21, "General", "1000000000000000000000"),
    (42, "0000", "0042"),
    (1234.5, '"$"#,##0.00', "1234.50"),
    (1234.5, "#,##0.00 [$€-407]", "1234.50"),
    (1234567, "#,##0,", "1235"),
    (0.125, "0.0%", "12.5%"),
    (-5, "0.00;(0.00)", "-5.00"),
    (-0.001, "0.00", "0.00"),
    (2.5, "0", "3"),
    (3.1, "0.0##", "3.1"),
    (0, '0;-0;"none"', "0"),
    (12.5, "0.00E+00", "12.5"),
    (0.5, "# ?/?", "0.5"),
    (True, "General", "true"),
]


@pytest.mark.parametrize(("value", "pattern", "shown"), NUMBERS)
def test_a_number_is_what_the_sheet_shows(value: float, pattern: str, shown: str) -> None:
    assert number_text(value, pattern) == shown


@given(st.integers(-(10**14), 10**14), st.integers(0, 6))
def test_a_number_with_fixed_decimals_is_rounded_and_nothing_else(cents: int, places: int) -> None:
    value = cents / 100
    pattern = "#,##0" + ("." + "0" * places if places else "")
    exact = Decimal(repr(value)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    assert Decimal(number_text(value, pattern)) == exact


MOMENTS = [
    (date(2023, 6, 30), "mmmm d, yyyy", "June 30, 2023"),
    (datetime(2023, 6, 30), "dd/mm/yyyy", "30/06/2023"),
    (datetime(2023, 6, 30, 14, 5), "yyyy-mm-dd hh:mm", "2023-06-30 14:05"),
    (datetime(2023, 6, 30, 14, 5, 9), "yyyy-mm-dd h:mm:ss AM/PM", "2023-06-30 2:05:09 PM"),
    (datetime(2023, 6, 30, 14, 5, 9), 'd" of "mmm yyyy', "30 of Jun 2023"),
    (datetime(2023, 6, 30), "[$-409]mmmm\\ d\\,\\ yyyy;@", "June 30, 2023"),
    (datetime(2023, 6, 30), "mm-dd-yy", "2023-06-30"),  # each reader's settings decide how it looks
    (datetime(2023, 6, 30), "d/m/yy", "2023-06-30"),  # two digits of a year say too little
    (datetime(2023, 6, 30, 14, 5), "General", "2023-06-30T14:05:00"),
    (time(14, 5), "h:mm", "14:05:00"),
    (timedelta(hours=30), "[h]:mm", "1 day, 6:00:00"),
]


@pytest.mark.parametrize(("value", "pattern", "shown"), MOMENTS)
def test_a_date_is_what_the_sheet_shows_or_iso(value: date, pattern: str, shown: str) -> None:
    assert moment_text(value, pattern) == shown


@given(st.datetimes(datetime(1900, 3, 1), datetime(9999, 12, 31)))
def test_no_date_is_lost_in_its_text(moment: datetime) -> None:
    whole = moment.replace(microsecond=0)
    assert datetime.fromisoformat(moment_text(whole, "yyyy-mm-dd hh:mm:ss")) == whole


def made(path: Path, fill: Callable[[Any], None], *more: str) -> Path:
    book = openpyxl.Workbook()
    fill(book.active)
    for title in more:
        book.create_sheet(title).append(["reference"])
    book.save(path)
    return path


def read(path: Path, part: str = "", header: int = 1) -> tuple[list[Any], Told]:
    told = Told()
    return list(rows_of(Source(path, part, header), told)), told


def findings(sheet: Any) -> None:
    sheet.title = "Findings"
    sheet.append(["reference", "ends", "amount"])
    sheet.append([42, date(2023, 6, 30), 7])
    sheet["A2"].number_format = "0000"
    sheet["B2"].number_format = "mmmm d, yyyy"
    sheet.append([])
    sheet.append(["A-1", "N/A", "=1+1"])
    sheet.append(["A-2", "#REF!", None])
    sheet["B5"].data_type = "e"


def test_rows_have_their_sheet_and_number_and_what_is_no_value_is_told(tmp_path: Path) -> None:
    rows, told = read(made(tmp_path / "a.xlsx", findings))
    assert rows == [
        ("Findings!2", {"reference": "0042", "ends": "June 30, 2023", "amount": "7"}),
        ("Findings!4", {"reference": "A-1", "ends": "N/A", "amount": None}),
        ("Findings!5", {"reference": "A-2", "ends": None, "amount": None}),
    ]
    assert [(place, column) for place, column, _ in told.empty] == [("Findings!4", "amount"), ("Findings!5", "ends")]
    assert "without a stored value" in told.empty[0][2]


def test_of_a_formula_the_stored_value_counts(tmp_path: Path) -> None:
    path = made(tmp_path / "a.xlsx", findings)
    rewritten(path, "xl/worksheets/sheet1.xml", b"<f>1+1</f><v />", b"<f>1+1</f><v>2</v>")
    rows, told = read(path)
    assert rows[1][1]["amount"] == "2"
    assert [column for _, column, _ in told.empty] == ["ends"]


def test_another_program_writes_the_same_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    with xlsxwriter.Workbook(path) as book:  # shared texts, formulas with their values, no cell for what is empty
        sheet = book.add_worksheet("Findings")
        sheet.write_row(0, 0, ["reference", "ends", "amount"])
        sheet.write_row(1, 0, ["A-1", "June 30, 2023 and December 31, 2023 respectively"])
        sheet.write_formula(1, 2, "=SUM(1,1)", book.add_format({"num_format": "0.0"}), 2)
        sheet.write_datetime(2, 1, datetime(2023, 6, 30), book.add_format({"num_format": "mmmm d, yyyy"}))
        book.add_worksheet("Hidden").hide()
    rows, told = read(path)
    assert rows == [
        (
            "Findings!2",
            {"reference": "A-1", "ends": "June 30, 2023 and December 31, 2023 respectively", "amount": "2.0"},
        ),
        ("Findings!3", {"reference": None, "ends": "June 30, 2023", "amount": None}),
    ]
    assert told == Told()


def test_which_sheet_must_be_said_when_there_are_several(tmp_path: Path) -> None:
    path = made(tmp_path / "a.xlsx", findings, "Notes")
    with pytest.raises(Refused, match="has 2 sheets: Findings, Notes") as caught:
        read(path)
    assert (caught.value.reason_code, "#Findings" in caught.value.what_to_do) == ("part_missing", True)
    assert len(read(path, "Findings")[0]) == 3
    with pytest.raises(Refused, match="has no sheet 'Other'; it has: Findings, Notes"):
        read(path, "Other")


def test_the_header_may_stand_below(tmp_path: Path) -> None:
    def fill(sheet: Any) -> None:
        sheet.append(["Report of June"])
        sheet.merge_cells("A1:C1")
        sheet.append(["reference", "ends"])
        sheet.append(["A-1", "x"])

    path = made(tmp_path / "a.xlsx", fill)
    assert read(path, header=2)[0] == [("Sheet!3", {"reference": "A-1", "ends": "x"})]
    with pytest.raises(Refused, match="A1:C1 of the header row of Sheet are merged") as caught:
        read(path)
    assert caught.value.reason_code == "merged_header"


BAD_HEADERS = [
    ([], "is empty and can't be the header"),
    (["reference", None, "ends"], "B1 of Sheet names no column"),
    (["reference", "ends", "ends"], "C1 of Sheet names 'ends' again"),
]


@pytest.mark.parametrize(("names", "told"), BAD_HEADERS)
def test_a_header_that_names_not_each_column_once_is_refused(tmp_path: Path, names: list[Any], told: str) -> None:
    path = made(tmp_path / "a.xlsx", lambda sheet: sheet.append(names))
    with pytest.raises(Refused, match=told) as caught:
        read(path)
    assert caught.value.reason_code == "bad_header"


def test_a_value_beside_the_header_is_left_out_and_told(tmp_path: Path) -> None:
    def fill(sheet: Any) -> None:
        sheet.append(["reference"])
        sheet.append(["A-1", "stray"])
        sheet.append(["A-2"])

    rows, told = read(made(tmp_path / "a.xlsx", fill))
    assert [row["reference"] for _, row in rows] == ["A-2"]
    assert told.faults == ["a.xlsx:Sheet!2: a value in B2, which the header names not"]


def rewritten(path: Path, part: str, old: bytes, new: bytes) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {item.filename: archive.read(item) for item in archive.infolist()}
    assert old in parts[part], parts[part]
    parts[part] = parts[part].replace(old, new)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def with_part(path: Path, name: str, data: bytes) -> Path:
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return path


def refused(path: Path) -> str:
    with pytest.raises(Refused) as caught:
        read(path)
    assert caught.value.what_to_do
    return caught.value.reason_code


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"reference,title\n", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_zip_file_or_an_empty_one_is_no_workbook(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(data)
    assert refused(path) == "bad_workbook"


def test_an_old_or_encrypted_workbook_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    assert refused(path) == "old_workbook"


def test_a_workbook_with_macros_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path / "a.xlsm", findings)
    assert refused(with_part(path, "xl/vbaProject.bin", b"\x00")) == "macro_file"


def test_a_part_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = made(tmp_path / "a.xlsx", findings)
    bomb = with_part(path, "xl/other.xml", bytes(workbook_guard.LARGEST_PART_BYTES + 1))
    assert bomb.stat().st_size < 100_000
    assert refused(bomb) == "too_large"


def test_a_part_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path / "a.xlsx", findings)
    with pytest.warns(UserWarning, match="Duplicate name"):
        with_part(path, "xl/worksheets/sheet1.xml", b"<worksheet/>")
    assert refused(path) == "bad_workbook"


def test_a_row_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path / "a.xlsx", findings)
    monkeypatch.setattr(workbook_guard, "LARGEST_ROW_BYTES", 5_000)
    assert len(read(path)[0]) == 3
    rewritten(path, "xl/worksheets/sheet1.xml", b"</row></sheetData>", b"<c/>" * 2_000 + b"</row></sheetData>")
    assert refused(path) == "too_large"


ENTITIES = [
    b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>',
    b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
    b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">',
]


@pytest.mark.parametrize("doctype", ENTITIES)
@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/styles.xml"])
def test_entities_and_document_types_are_refused(tmp_path: Path, doctype: bytes, part: str) -> None:
    path = made(tmp_path / "a.xlsx", findings)
    root = {"sheet1.xml": b"<worksheet ", "workbook.xml": b"<workbook ", "styles.xml": b"<styleSheet "}[
        part[part.rindex("/") + 1 :]
    ]
    rewritten(path, part, root, doctype + root)
    assert refused(path) == "bad_workbook"


def test_a_huge_cell_is_left_empty_and_told(tmp_path: Path) -> None:
    path = made(tmp_path / "a.xlsx", findings)
    rewritten(path, "xl/worksheets/sheet1.xml", b"<t>N/A</t>", b"<t>" + b"x" * 70_000 + b"</t>")
    rows, told = read(path)
    assert rows[1][1]["ends"] is None
    assert ("Findings!4", "ends", "more than 65536 characters") in told.empty


def test_a_sheet_that_says_it_is_small_is_read_whole(tmp_path: Path) -> None:
    path = made(tmp_path / "a.xlsx", findings)
    rewritten(path, "xl/worksheets/sheet1.xml", b'<dimension ref="A1:C5"', b'<dimension ref="A1:A2"')
    assert len(read(path)[0]) == 3


def test_damage_within_the_sheet_is_told_as_such(tmp_path: Path) -> None:
    path = made(tmp_path / "a.xlsx", findings)
    rewritten(path, "xl/worksheets/sheet1.xml", b"</sheetData>", b"</sheetDat")
    assert refused(path) == "bad_workbook"


def test_the_names_of_the_header_are_known_without_reading_rows(tmp_path: Path) -> None:
    assert workbook_rows.header(Source(made(tmp_path / "a.xlsx", findings))) == ["reference", "ends", "amount"]
