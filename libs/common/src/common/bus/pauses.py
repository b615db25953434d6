"""Doing something now and then, between other things."""

from __future__ import annotations

import time


class Metronome:
    """Says when it is time again. The first time is at once."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._next = 0.0

    def every(self, every_s: float) -> None:
        """From now on every so many seconds."""
        self._every_s = every_s
        self._next = time.monotonic() + every_s

    def due(self) -> bool:
        """Whether it is time; if so, the next time is set."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._every_s
        return True
