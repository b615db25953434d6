"""A page as HTML: one file without scripts, pictures or anything fetched, for a screen and for paper.

Everything is escaped, whatever it is; the same page gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

from auditor.core.pages import Page, Row, Section, Table

_MARKS = re.compile(r"\[(\d+(?:, \d+)*)\]")
_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.55 Georgia, "Times New Roman", serif; color: #1a1a1a; background: #fff; max-width: 48rem;
  margin: 2.5rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; border-bottom: 1px solid #bbb; padding-bottom: .2rem; }
.headline { font-size: 1.1rem; color: #444; margin: 0 0 1rem; }
.label { border: 2px solid #8a5a00; background: #fff7e6; padding: .5rem .75rem; margin: .5rem 0;
  font-family: system-ui, sans-serif; font-size: .9rem; }
dl { display: grid; grid-template-columns: 6rem 1fr; gap: .2rem 1rem; font: .85rem/1.5 system-ui, sans-serif; }
dt { color: #555; } dd { margin: 0; overflow-wrap: anywhere; }
section p { margin: .45rem 0; overflow-wrap: anywhere; }
a.record { color: #1d4e89; text-decoration: none; font-size: .85em; }
a.record:hover, a.record:focus { text-decoration: underline; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font: .8rem/1.4 system-ui, sans-serif; }
caption { text-align: left; color: #555; padding-bottom: .3rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid #ddd;
  overflow-wrap: anywhere; }
th { border-bottom: 2px solid #999; white-space: nowrap; }
tr:target td { background: #fff3b0; }
code { font-size: .9em; overflow-wrap: anywhere; }
@media print {
  @page { size: A4; margin: 18mm; }
  body { font-size: 10.5pt; max-width: none; margin: 0; padding: 0; }
  h2 { break-after: avoid; } tr, .label { break-inside: avoid; } thead { display: table-header-group; }
  .scroll { overflow: visible; } table { font-size: 7.5pt; } a.record { color: inherit; }
}
"""


def html(page: Page) -> bytes:
    """The file, UTF-8."""
    parts = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n",
        f"<title>{escape(page.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<header>\n",
        f"<h1>{escape(page.title)}</h1>\n",
        f'<p class="headline">{escape(page.headline)}</p>\n' if page.headline else "",
        *(f'<p class="label" role="note">{_linked(label)}</p>\n' for label in page.labels),
        "<dl>\n",
        *(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>\n" for name, value in page.facts),
        "</dl>\n<p>A number in brackets is a record; all are listed at the end. ",
        "To check this page and everything in it, see <code>VERIFY.md</code>.</p>\n</header>\n<main>\n",
        *(_section(number, section) for number, section in enumerate(page.sections, start=1)),
        *(_table(table) for table in page.tables),
        "</main>\n</body>\n</html>\n",
    ]
    return "".join(parts).encode()


def _section(number: int, section: Section) -> str:
    told = "".join(f"<p>{_linked(sentence.text)}</p>\n" for sentence in section.sentences)
    return f"<section>\n<h2>{number}. {escape(section.title)}</h2>\n{told}</section>\n"


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.columns)
    rows = "".join(f"<tr{_anchor(table, row)}>{''.join(_cells(row))}</tr>\n" for row in table.rows)
    return (
        f'<section>\n<h2>{escape(table.title)}</h2>\n<div class="scroll"><table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n</section>\n"
    )


def _anchor(table: Table, row: Row) -> str:
    return f' id="record-{escape(row[0])}"' if table.name == "timeline" else ""


def _cells(row: Row) -> Iterable[str]:
    for cell in row:
        yield f"<td>{_linked(cell)}</td>"


def _linked(text: str) -> str:
    """Escaped, with its citations as links. (What comes from outside holds no brackets: see `wording`.)"""

    def links(found: re.Match[str]) -> str:
        numbers = (f'<a class="record" href="#record-{n}">{n}</a>' for n in found[1].split(", "))
        return f"[{', '.join(numbers)}]"

    return _MARKS.sub(links, escape(text))
