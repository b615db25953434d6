"""Event logs as strangers write them: read as a stream, refused where they are no logs or worse."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Iterable
from pathlib import Path

import pytest
from cli.preview import logs, xes
from cli.preview.logs import Columns, Logged
from common.clock import parse_instant
from common.errors import Refused
from hypothesis import given
from hypothesis import strategies as st

COLUMNS = Columns("case", "activity", "at")
HEAD = '<?xml version="1.0" encoding="UTF-8" ?>\n'
GLOBALS = """\
<extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>
<global scope="trace"><string key="concept:name" value="UNKNOWN"/></global>
<global scope="event"><date key="time:timestamp" value="1970-01-01T00:00:00Z"/></global>
<classifier name="Activity classifier" keys="concept:name"/>
<string key="concept:name" value="the log's own name"><float key="concept:name" value="1"/></string>
"""


def event(name: str, at: str = "2012-02-01T10:00:00.000+01:00", more: str = "") -> str:
    return (
        f'<event><string key="concept:name" value="{name}"/>{more}<date key="time:timestamp" value="{at}"/></event>\n'
    )


def trace(case: str, *events: str, more: str = "") -> str:
    return f'<trace><string key="concept:name" value="{case}"/>{more}{"".join(events)}</trace>\n'


def log(*traces: str) -> str:
    return f'{HEAD}<log xes.version="1.0" xmlns="http://www.xes-standard.org/">{GLOBALS}{"".join(traces)}</log>'


def written(folder: Path, text: str | bytes, name: str = "a.xes") -> Path:
    raw = text.encode() if isinstance(text, str) else text
    path = folder / name
    path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return path


def read(path: Path) -> tuple[list[Logged], list[str]]:
    faults: list[str] = []
    return list(logs.events_of(path, COLUMNS, faults)), faults


@pytest.mark.parametrize("name", ["a.xes", "A.XES.GZ"])
def test_a_trace_is_a_case_and_its_attributes_stand_in_its_first_event(tmp_path: Path, name: str) -> None:
    amount = '<string key="AMOUNT" value="5"><int key="nested" value="1"/></string>'
    first = event("A", more='<string key="org:resource" value="x"/>')
    text = log(trace("7", first, event("B"), event("B"), more=amount), trace("8", event("A")))
    (a, b, again, other), faults = read(written(tmp_path, text, name.lower() if "GZ" in name else name))
    at = "2012-02-01T10:00:00.000+01:00"
    assert faults == []
    assert a.row == {"case": "7", "activity": "A", "at": at, "AMOUNT": "5", "org:resource": "x"}
    assert b.row == {"case": "7", "activity": "B", "at": at}
    assert [one.nth for one in (a, b, again, other)] == [0, 1, 2, 0]
    assert a.at == parse_instant("2012-02-01T09:00:00Z") and other.key == "8"
    assert text.splitlines()[int(a.line) - 1].startswith("<trace>") and int(b.line) > int(a.line)


def test_a_number_beyond_any_double_stays_the_text_that_it_is(tmp_path: Path) -> None:
    """Read as a number it is Unknown, with the text in the reason (tests/unit/declarations/test_reading.py)."""
    more = '<float key="AMOUNT" value="1e400"/>'
    (one, two), faults = read(
        written(
            tmp_path,
            log(trace("7", event("A", more=more)), trace("8", event("A", more=more.replace("1e400", "INF")))),
        )
    )
    assert (one.row["AMOUNT"], two.row["AMOUNT"], faults) == ("1e400", "INF", [])


def test_what_can_not_be_placed_is_told_and_left_out(tmp_path: Path) -> None:
    nameless = '<event><date key="time:timestamp" value="2012-02-01T10:00:00Z"/></event>'
    timeless = '<event><string key="concept:name" value="A"/></event>'
    nobodys = f"<trace>{event('A')}</trace>"
    zoneless = event("A", at="2012-02-01T10:00:00")
    found, faults = read(written(tmp_path, log(trace("7", nameless, timeless, zoneless, event("B")), nobodys)))
    assert [one.row["activity"] for one in found] == ["B"]
    assert sorted(fault.partition(": ")[2] for fault in faults) == [
        "at '2012-02-01T10:00:00' is not a time with its zone",
        "this event can't be placed: no name",
        "this event can't be placed: no time",
        "this event can't be placed: the trace has no name",
    ]
    assert faults[0].startswith("a.xes:")


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE log [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    '<log><trace><string key="concept:name" value="&b;"/></trace></log>'
)
OUTSIDE = '<?xml version="1.0"?><!DOCTYPE log SYSTEM "file:///etc/passwd"><log/>'
ENTITY = '<?xml version="1.0"?><!DOCTYPE log [<!ENTITY x SYSTEM "file:///etc/passwd">]><log>&x;</log>'


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (BOMB, "xml_doctype"),
        (OUTSIDE, "xml_doctype"),
        (ENTITY, "xml_doctype"),
        ("<log>&undefined;</log>", "bad_xes"),
        ("<html/>", "bad_xes"),
        ("<log><trace></log>", "bad_xes"),
        ("<log><trace>", "bad_xes"),
        ("", "bad_xes"),
        ("case,activity\n1,A\n", "bad_xes"),
        ("<log>" + "<a>" * 100, "bad_xes"),
        ("<log><trace><a " + "x" * 3_000_000, "bad_xes"),
        (log(trace("7", more="".join(f'<int key="{n}" value="1"/>' for n in range(300)))), "too_large"),
    ],
)
def test_what_is_no_log_or_worse_is_refused(tmp_path: Path, text: str, code: str) -> None:
    with pytest.raises(Refused) as caught:
        read(written(tmp_path, text))
    assert caught.value.reason_code == code
    assert "a.xes" in caught.value.message and caught.value.what_to_do


def test_a_case_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xes, "MAX_TRACE_EVENTS", 10)
    assert len(read(written(tmp_path, log(trace("7", *[event("A")] * 10))))[0]) == 10
    with pytest.raises(Refused, match="more than 10 events"):
        read(written(tmp_path, log(trace("7", *[event("A")] * 11))))


def test_what_is_packed_wrongly_or_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = gzip.compress(log(trace("7", event("A"))).encode())
    for broken in (good[:-12], b"no gzip", good[:40] + b"\0\0\0\0" + good[44:]):
        path = tmp_path / "a.xes.gz"
        path.write_bytes(broken)
        with pytest.raises(Refused, match="can't be unpacked"):
            read(path)
    monkeypatch.setattr(xes, "MAX_BYTES", 1_000)
    with pytest.raises(Refused, match="more than 1000 bytes unpacked"):
        read(written(tmp_path, log(*[trace("7", event("A"))] * 2_000), "a.xes.gz"))


@pytest.mark.law
def test_memory_holds_one_trace_whatever_the_size_of_the_log(tmp_path: Path) -> None:
    def peak(cases: int) -> int:
        path = written(tmp_path, log(*(trace(str(n), *[event("A")] * 20) for n in range(cases))), "a.xes.gz")
        tracemalloc.start()
        count = sum(len(one) for one in xes.traces(path, []))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == cases * 20
        return found

    assert peak(2_000) < 1.5 * peak(200)


names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="<&\"'"), min_size=1)


@given(st.lists(st.tuples(names, st.lists(names, max_size=4)), max_size=4))
def test_every_event_of_every_trace_comes_in_order(
    tmp_path_factory: pytest.TempPathFactory, cases: Iterable[tuple[str, list[str]]]
) -> None:
    wanted = [(case.strip(), [what.strip() for what in found]) for case, found in cases]
    wanted = [(case, [what for what in found if what]) for case, found in wanted if case]
    text = log(*(trace(case, *map(event, found)) for case, found in wanted))
    path = written(tmp_path_factory.mktemp("xes"), text)
    found = [[(one.case, one.activity) for one in events] for events in xes.traces(path, [])]
    assert found == [[(case, what) for what in named] for case, named in wanted]


def test_a_csv_log_is_read_by_its_own_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "case,activity,at,desk\n7,A,2012-02-01T10:00:00Z,x\n7,,2012-02-01T10:00:00Z,x\n7,B,1 February 2012,x\n"
        "8,A,2012-02-01T10:00:00Z,\n7,B,2012-02-01T10:00:00Z,y\n"
    )
    found, faults = read(path)
    assert [(one.key, one.row["activity"], one.nth, one.line) for one in found] == [
        ("7", "A", 0, 2), ("8", "A", 0, 5), ("7", "B", 1, 6)
    ]  # fmt: skip
    assert [fault.partition(":")[2] for fault in faults] == [
        "3: this event can't be placed: no case, or no activity",
        "4: at '1 February 2012' is not a time with its zone",
    ]
