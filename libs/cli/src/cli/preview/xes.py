"""XES event logs (IEEE 1849), read as a stream: memory holds one trace at a time, whatever the file's size.

The file is a stranger's. The parser knows no document type, no entities and nothing external, and every part has a
bound. Extensions, classifiers, globals and attributes of the whole log are passed over; so are nested attributes.
"""

import gzip
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NoReturn
from xml.parsers import expat

from common.errors import Refused

CHUNK_BYTES = 64 * 1024
MAX_BYTES = 16 * 1024**3
"""Unpacked. The log is never held as a whole, so this bounds time, not memory."""
MAX_TOKEN_BYTES = 1024 * 1024
"""Between two pieces of markup: what the parser must hold."""
MAX_DEPTH = 64
MAX_TRACE_EVENTS = 100_000
MAX_ATTRIBUTES = 200
_VALUED = ("string", "date", "int", "float", "boolean", "id")
_NAME, _TIME = "concept:name", "time:timestamp"

Cells = dict[str, str]


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One event: `case`, `activity` and `time` as written, all others in `cells`. `line` is where it begins.

    What a case as a whole has stands in the cells of its first event in the file.
    """

    case: str
    activity: str
    time: str
    cells: Cells
    line: int


@dataclass(slots=True)
class _Trace:
    cells: Cells = field(default_factory=dict)
    events: list[tuple[int, Cells]] = field(default_factory=list)


def is_xes(path: Path) -> bool:
    """Whether the name says that this is an event log."""
    return path.name.lower().endswith((".xes", ".xes.gz"))


def traces(path: Path, faults: list[str], read: Callable[[int], None] = lambda _: None) -> Iterator[list[LogEvent]]:
    """The events of each trace, in the file's order. What is no event (without a name, a time, or a case) is told in
    `faults`. `read` is told how many bytes of the file were read since the last time.

    Raises Refused when the file is no XES, after the traces before the fault.
    """
    parser = _Parser(path.name, faults)
    with path.open("rb") as raw:
        before = 0
        for chunk in _chunks(path, raw):
            parser.feed(chunk)
            yield from parser.taken()
            at = raw.tell()
            read(at - before)
            before = at
    parser.end()
    yield from parser.taken()


def _chunks(path: Path, raw: IO[bytes]) -> Iterator[bytes]:
    packed = path.name.lower().endswith(".gz")
    source = gzip.GzipFile(fileobj=raw, mode="rb") if packed else raw
    size = 0
    try:
        while chunk := source.read(CHUNK_BYTES):
            size += len(chunk)
            if size > MAX_BYTES:
                raise Refused("too_large", f"{path.name} has more than {MAX_BYTES} bytes unpacked.", "Split it.")
            yield chunk
    except (OSError, EOFError, zlib.error) as error:
        raise Refused("bad_gzip", f"{path.name} can't be unpacked: {error}.", "Fetch it again.") from error


class _Parser:
    """Expat's callbacks: what is open at present, and the traces that are complete."""

    def __init__(self, name: str, faults: list[str]) -> None:
        self._file, self._faults = name, faults
        self._complete: list[list[LogEvent]] = []
        self._depth = 0
        self._inside = 0
        """The depth of the attribute that is open: what it contains is no attribute of the event."""
        self._trace: _Trace | None = None
        self._cells: Cells | None = None
        self._line = 0
        self._marked = self._fed = 0
        self._rooted = False
        self._expat = parser = expat.ParserCreate()
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = self._declares
        parser.ExternalEntityRefHandler = parser.SkippedEntityHandler = self._declares

    def feed(self, chunk: bytes) -> None:
        try:
            self._expat.Parse(chunk, False)
        except expat.ExpatError as error:
            self._broken(error)
        self._fed += len(chunk)
        if self._fed - self._marked > MAX_TOKEN_BYTES + CHUNK_BYTES:
            told = f"{self._file}:{self._expat.CurrentLineNumber}: more than {MAX_TOKEN_BYTES} bytes without markup."
            raise Refused("bad_xes", told, "This is no event log as XES has it.")

    def end(self) -> None:
        try:
            self._expat.Parse(b"", True)
        except expat.ExpatError as error:
            self._broken(error)

    def taken(self) -> list[list[LogEvent]]:
        complete, self._complete = self._complete, []
        return complete

    def _broken(self, error: expat.ExpatError) -> NoReturn:
        told = f"{self._file}:{error.lineno}: this is not XML: {expat.ErrorString(error.code)}."
        raise Refused("bad_xes", told, "Export the log again.") from error

    def _declares(self, *_: object) -> NoReturn:
        told = f"{self._file}:{self._expat.CurrentLineNumber}: it declares a document type or entities."
        raise Refused("xml_doctype", told, "No event log needs one; export it without.")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._marked = self._expat.CurrentByteIndex
        self._depth += 1
        name = tag.rpartition(":")[2]
        if self._depth == 1 and name != "log":
            raise Refused("bad_xes", f"{self._file} begins with <{name[:40]}>: no event log.", "Give a XES.")
        if self._depth > MAX_DEPTH:
            told = f"{self._file}:{self._expat.CurrentLineNumber}: nested more than {MAX_DEPTH} levels deep."
            raise Refused("bad_xes", told, "This is no event log as XES has it.")
        if name == "trace" and self._depth == 2:
            self._trace = _Trace()
        elif name == "event" and self._trace is not None and self._cells is None and not self._inside:
            self._cells, self._line = {}, self._expat.CurrentLineNumber
        elif self._trace is not None and not self._inside:
            self._inside = self._depth
            if name in _VALUED and "key" in attributes and "value" in attributes:
                self._put(attributes["key"], attributes["value"])

    def _put(self, key: str, value: str) -> None:
        assert self._trace is not None
        cells = self._trace.cells if self._cells is None else self._cells
        cells[key] = value
        if len(cells) > MAX_ATTRIBUTES:
            told = f"{self._file}:{self._expat.CurrentLineNumber}: more than {MAX_ATTRIBUTES} attributes at once."
            raise Refused("too_large", told, "Leave out what no declaration reads.")

    def _end(self, tag: str) -> None:
        self._marked = self._expat.CurrentByteIndex
        if self._inside == self._depth:
            self._inside = 0
        elif not self._inside and self._trace is not None:
            name = tag.rpartition(":")[2]
            if name == "event" and self._cells is not None:
                self._happened(self._trace, self._cells)
                self._cells = None
            elif name == "trace":
                self._complete.append(self._events(self._trace))
                self._trace = None
        self._depth -= 1

    def _happened(self, trace: _Trace, cells: Cells) -> None:
        trace.events.append((self._line, cells))
        if len(trace.events) > MAX_TRACE_EVENTS:
            told = f"{self._file}:{self._line}: a trace has more than {MAX_TRACE_EVENTS:,} events."
            raise Refused("too_large", told, "Is the case really a case?")

    def _events(self, trace: _Trace) -> list[LogEvent]:
        case = trace.cells.pop(_NAME, "").strip()
        whole = trace.cells
        found: list[LogEvent] = []
        for line, cells in trace.events:
            activity, time = cells.pop(_NAME, "").strip(), cells.pop(_TIME, "").strip()
            if not case or not activity or not time:
                lacking = "the trace has no name" if not case else "no name" if not activity else "no time"
                self._faults.append(f"{self._file}:{line}: this event can't be placed: {lacking}")
                continue
            found.append(LogEvent(case, activity, time, {**whole, **cells}, line))
            whole = {}
        return found
