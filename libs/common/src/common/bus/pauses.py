"""Doing something now and then, between other things."""

from __future__ import annotations

import time

GATHER_TIMES = 4
"""For how many times as long as a batch took what comes next may gather."""


FEW = 8
"""Messages that one decision leads to; of a stream there are more in a batch."""


def gathering_s(count: int, took_s: float, most_s: float) -> float:
    """How long messages gather after a batch of `count` that took `took_s`: after one of a stream for `most_s`, since
    larger batches cost less; the few messages that one decision leads to don't wait so long for company."""
    return most_s if count > FEW else min(most_s, GATHER_TIMES * took_s)


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
