"""The ledger: one append-only table, its dense positions, and how far everybody has come in it."""

from common.ledger.client import (
    CLOCK_OFF,
    Answer,
    Appended,
    AppendRefused,
    Connection,
    Ledger,
    NewEvent,
    Recorded,
    Request,
    append,
)
from common.ledger.install import READER, install, migrate, role_name

__all__ = [
    "CLOCK_OFF",
    "READER",
    "Answer",
    "AppendRefused",
    "Appended",
    "Connection",
    "Ledger",
    "NewEvent",
    "Recorded",
    "Request",
    "append",
    "install",
    "migrate",
    "role_name",
]
