"""Where messages go that will never be handled, with the reason: the topic `dead-letters`."""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from common.bus.connection import Address
from common.bus.errors import reason_of
from common.errors import Transient
from common.topics import BY_NAME

TOPIC = "dead-letters"
MAX_IN_WINDOW = 100
WINDOW_S = 60.0
_MAX_VALUE_BYTES = 900 * 1024
_MAX_REASON_CHARACTERS = 2_000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that failed. `position` is its ledger position, None for a message from outside."""

    topic: str
    partition: int
    offset: int | None
    position: int | None
    key: bytes | None
    value: bytes


class DeadLetters:
    """Puts messages aside, at most `limit` a minute: more than that means that we are at fault, not they."""

    def __init__(self, address: Address, producer: Any, limit: int = MAX_IN_WINDOW) -> None:
        self._address = address
        self._producer = producer
        self._limit = limit
        self._recent: deque[float] = deque()

    async def bury(self, letter: Letter, error: BaseException) -> None:
        """Return when the broker has the letter; a crash afterwards may send it again.

        Raises `Transient` (`too_many_dead_letters`) beyond the limit: stop rather than put everything aside.
        """
        code, message = reason_of(error)
        now = time.monotonic()
        while self._recent and self._recent[0] < now - WINDOW_S:
            self._recent.popleft()
        if len(self._recent) >= self._limit:
            raise Transient(
                "too_many_dead_letters",
                f"{self._limit} messages failed within {WINDOW_S:.0f} s; the last one of {letter.topic}: "
                f"{code}: {message}",
            )
        self._recent.append(now)
        await self._producer.send_and_wait(
            self._address.topic(BY_NAME[TOPIC]),
            value=letter.value[:_MAX_VALUE_BYTES],
            key=letter.key,
            headers=[(name, str(value).encode()) for name, value in self._headers(letter, code, message)],
        )
        _log.warning(
            "put aside a message of %s (partition %s, offset %s, position %s): %s: %s",
            letter.topic, letter.partition, letter.offset, letter.position, code, message,
            exc_info=error if code == "handler_failed" else None,
        )  # fmt: skip

    def _headers(self, letter: Letter, code: str, message: str) -> list[tuple[str, object]]:
        headers: list[tuple[str, object]] = [
            ("reason-code", code),
            ("reason", message[:_MAX_REASON_CHARACTERS]),
            ("service", self._address.service),
            ("topic", letter.topic),
            ("partition", letter.partition),
        ]
        if letter.offset is not None:
            headers.append(("offset", letter.offset))
        if letter.position is not None:
            headers.append(("position", letter.position))
        if len(letter.value) > _MAX_VALUE_BYTES:
            headers.append(("truncated-from", len(letter.value)))
        return headers
