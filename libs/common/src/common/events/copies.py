"""The columns of `ledger.events` that are copies of what the event's bytes say, and whether they still are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

COPIES = (
    ("source", "source"),
    ("id", "id"),
    ("stream", "subject"),
    ("type", "type"),
    ("case_id", "caseid"),
)
"""(column, attribute of the event that it is a copy of)."""


class Copied(Protocol):
    """A row, as far as it has such columns."""

    @property
    def source(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def stream(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def type(self) -> str: ...
    @property
    def case_id(self) -> str | None: ...


def differing(row: Copied, said: Mapping[str, Any]) -> Iterator[tuple[str, object, object]]:
    """(column, what it has, what the event's bytes say) of every column that says another thing than `said`, the
    event's attributes. The version counts where the event names one."""
    for column, attribute in COPIES:
        if getattr(row, column) != said.get(attribute):
            yield column, getattr(row, column), said.get(attribute)
    version = said.get("streamversion")
    if version is not None and version != row.version:
        yield "version", row.version, version
