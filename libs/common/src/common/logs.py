"""Logs: one JSON object a line, or plain text where a person watches. Never a secret."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from datetime import UTC, datetime

import orjson

_HIDDEN = "[hidden]"


class JsonLines(logging.Formatter):
    """`time` (RFC 3339, UTC), `level`, `service`, `realm`, `logger`, `message`, and `error` with a traceback."""

    def __init__(self, service: str, realm: str, secrets: Iterable[str]) -> None:
        super().__init__()
        self._service = service
        self._realm = realm
        self._secrets = tuple(secret for secret in secrets if secret)

    def format(self, record: logging.LogRecord) -> str:
        """The line, with every known secret replaced."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "service": self._service,
            "realm": self._realm,
            "logger": record.name,
            "message": self._clean(record.getMessage()),
        }
        if record.exc_info:
            line["error"] = self._clean(self.formatException(record.exc_info))
        return orjson.dumps(line).decode()

    def _clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        return text


class Plain(JsonLines):
    """The same for people: time of day, level, service, message."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, with every known secret replaced."""
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S.%f")[:-3]
        text = f"{at} {record.levelname.lower():7} {self._service:9} {record.getMessage()}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return self._clean(text)


def configure(service: str, realm: str, level: str, secrets: Iterable[str]) -> None:
    """Log to standard error: plain on a terminal, else JSON lines. Libraries speak only from warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    kind = Plain if sys.stderr.isatty() else JsonLines
    handler.setFormatter(kind(service, realm, secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for library in ("aiokafka", "faststream", "uvicorn", "asyncio"):
        logging.getLogger(library).setLevel(logging.WARNING)
    # aiokafka reports as an error what the session above it deals with: a broker that went away.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
