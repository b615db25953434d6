"""The log's standing as a page, for people who look after it. Everything that others wrote is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from auditor.ports import LogStanding, WitnessLine

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .35rem .8rem .35rem 0;
border-bottom: 1px solid #d5d5d5; vertical-align: top; overflow-wrap: anywhere }
.bad { background: #fde8e8; border-left: .3rem solid #b3261e; padding: .5rem 1rem } code { font-size: .85em }
"""
_WORDS = {
    "new": "not asked yet",
    "cosigning": "has cosigned the newest checkpoint",
    "behind": "is about to be asked about the newest checkpoint",
    "unreachable": "can't be reached; it is asked again",
    "refusing": "refuses; it is asked again",
    "alarm": "ALARM: says that this log is not the one it cosigned",
    "unasked": "has no address in the policy",
}
_NOBODY = "<p>The policy names none: only this log vouches for itself.</p>"


def page(standing: LogStanding) -> str:
    """The page of `/log`."""
    rows = [
        ("Events in the ledger", str(standing.events)),
        ("Sealed", f"{standing.sealed}, last at {standing.sealed_at or 'never'}"),
        ("Published", f"{standing.cosigned} (asked for: {_quorum(standing.quorum)})"),
        ("Origin", standing.origin),
        ("Key", standing.key),
    ]
    witnesses = "".join(_witness(line) for line in standing.witnesses)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Transparency log</title>'
        f"<style>{_STYLE}</style><h1>Transparency log</h1>{_problems(standing.problems)}"
        f"<table>{''.join(_row(row) for row in rows)}</table><h2>Witnesses</h2>"
        f"{f'<table>{witnesses}</table>' if witnesses else _NOBODY}"
        '<p><a href="/log/checkpoint">The published checkpoint</a></p></html>\n'
    )


def _problems(problems: Iterable[str]) -> str:
    return "".join(f'<p class="bad">{escape(problem)}</p>' for problem in problems)


def _witness(line: WitnessLine) -> str:
    told = _WORDS[line.state] + (f" ({line.problem})" if line.problem else "")
    size = "" if line.size is None else f"up to {line.size} at {line.cosigned_at}"
    return _row((line.name, told, size, line.key))


def _row(cells: tuple[str, ...]) -> str:
    head, *rest = (escape(cell) for cell in cells)
    return f"<tr><th>{head}</th>{''.join(f'<td>{cell}</td>' for cell in rest)}</tr>"


def _quorum(quorum: str) -> str:
    return "no witness" if quorum == "none" else quorum
