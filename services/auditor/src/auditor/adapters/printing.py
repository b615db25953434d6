"""A page as PDF (reportlab), with the same bytes each time.

The fonts come with reportlab and have Latin letters only. A character that they lack is printed as □, and the page
says so; `narrative.html` has it.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from html import escape
from typing import Any

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Flowable, LongTable, Paragraph, SimpleDocTemplate, Spacer, TableStyle

from auditor.core.pages import Page, Table

_TEXT, _BOLD = "Vera", "VeraBd"
_LACKING = "□"
_LONGEST_CELL = 600
_MARGIN = 18 * mm
_WIDTH = A4[0] - 2 * _MARGIN
_SMALL = 17 * mm


def pdf(page: Page) -> bytes:
    """The file."""
    return _Printing().print(page)


class _Printing:
    def __init__(self) -> None:
        for name in (_TEXT, _BOLD):
            pdfmetrics.registerFont(TTFont(name, f"{name}.ttf"))
        self._glyphs = set(pdfmetrics.getFont(_TEXT).face.charToGlyph) & set(
            pdfmetrics.getFont(_BOLD).face.charToGlyph
        )
        self._lacking = False
        base = ParagraphStyle("base", fontName=_TEXT, fontSize=9.5, leading=13.5, spaceAfter=4)
        self._base = base
        self._title = ParagraphStyle("title", base, fontName=_BOLD, fontSize=15, leading=19)
        self._heading = ParagraphStyle("heading", base, fontName=_BOLD, fontSize=11, spaceBefore=10, keepWithNext=1)
        self._label = ParagraphStyle(
            "label", base, borderColor=colors.HexColor("#8a5a00"), borderWidth=1, borderPadding=4, spaceBefore=4,
            spaceAfter=8,
        )  # fmt: skip
        self._cell = ParagraphStyle("cell", base, fontSize=6.5, leading=8.5, spaceAfter=0, wordWrap="CJK")
        self._head = ParagraphStyle("head", self._cell, fontName=_BOLD)

    def print(self, page: Page) -> bytes:
        told = list(self._told(page))
        if self._lacking:
            note = f"{_LACKING} stands for a character that this file's fonts lack. narrative.html has it."
            told.insert(1, self._paragraph(note, self._label))
        held = io.BytesIO()
        document = SimpleDocTemplate(
            held, pagesize=A4, leftMargin=_MARGIN, rightMargin=_MARGIN, topMargin=_MARGIN, bottomMargin=_MARGIN,
            title=self._clean(page.title), author="Trueup", invariant=1,
        )  # fmt: skip
        document.build(told, onFirstPage=_number, onLaterPages=_number)
        return held.getvalue()

    def _told(self, page: Page) -> Iterable[Flowable]:
        yield self._paragraph(page.title, self._title)
        if page.headline:
            yield self._paragraph(page.headline, self._base)
        for label in page.labels:
            yield self._paragraph(label, self._label)
        for name, value in page.facts:
            yield self._paragraph(f"{name}: {value}", self._cell)
        for number, section in enumerate(page.sections, start=1):
            yield self._paragraph(f"{number}. {section.title}", self._heading)
            for sentence in section.sentences:
                yield self._paragraph(sentence.text, self._base)
        for table in page.tables:
            yield self._paragraph(table.title, self._heading)
            yield Spacer(0, 2 * mm)
            yield self._table(table)

    def _table(self, table: Table) -> Flowable:
        rows = [[self._paragraph(_short(name), self._head) for name in table.columns]]
        rows += [[self._paragraph(_short(cell), self._cell) for cell in row] for row in table.rows]
        style = TableStyle(
            [
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LINEBELOW", (0, 0), (-1, -1), 0.3, colors.HexColor("#bbbbbb")),
                ("LINEBELOW", (0, 0), (-1, 0), 0.8, colors.HexColor("#777777")),
                ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ]
        )
        return LongTable(rows, colWidths=_widths(table), style=style, repeatRows=1)

    def _paragraph(self, text: str, style: ParagraphStyle) -> Paragraph:
        return Paragraph(escape(self._clean(text)), style)

    def _clean(self, text: str) -> str:
        if all(ord(char) in self._glyphs for char in text):
            return text
        self._lacking = True
        return "".join(char if ord(char) in self._glyphs else _LACKING for char in text)


def _short(cell: str) -> str:
    """A row must fit on a page; the other files have the whole text."""
    return cell if len(cell) <= _LONGEST_CELL else f"{cell[: _LONGEST_CELL - 1]}…"


def _widths(table: Table) -> list[float]:
    """Short columns are as wide as their longest text, within bounds; the others share the rest."""
    longest = [max([len(name), *(len(row[at]) for row in table.rows)]) for at, name in enumerate(table.columns)]
    wanted = [min(max(length * 1.35 * mm + 2 * mm, _SMALL), 60 * mm) for length in longest]
    wanted[table.wide] = max(wanted[table.wide], 45 * mm)
    return [width * _WIDTH / sum(wanted) for width in wanted]


def _number(canvas: Any, document: Any) -> None:
    canvas.saveState()
    canvas.setFont(_TEXT, 7)
    canvas.drawRightString(A4[0] - _MARGIN, 10 * mm, f"page {document.page}")
    canvas.restoreState()
