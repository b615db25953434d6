"""SIGTERM and a closed terminal end a program like Ctrl-C does: through its `finally` blocks."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGHUP)


def _leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


@contextmanager
def orderly_exit() -> Iterator[None]:
    """Inside, SIGTERM and SIGHUP raise SystemExit(128 + n) in the main thread.

    Handlers that the program has set itself stay, and so does a SIGHUP that `nohup` has switched off.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [number for number in ENDING if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _leave)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
