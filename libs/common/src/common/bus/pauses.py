"""Doing something now and then, between other things."""

from __future__ import annotations

import time

GATHER_TIMES = 4
"""For how many times as long as a batch took what comes next may gather."""


def gathering_s(took_s: float, most_s: float) -> float:
    """How long messages gather after a batch that took `took_s`: a stream is handled in a fifth of the time, in ever
    larger batches up to `most_s`; the few messages that one leads to don't wait for company."""
    return min(most_s, GATHER_TIMES * took_s)


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
