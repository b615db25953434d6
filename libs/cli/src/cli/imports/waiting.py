"""A sign of life on the terminal while many rows are read."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

T = TypeVar("T")
AFTER_S = 1.0
_STEP = 500


@contextmanager
def bar(silent: bool = False) -> Iterator[Progress]:
    """A progress bar on standard error, gone when it is done; nothing where nobody looks."""
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    silent = silent or not sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=silent) as progress:
        yield progress


def counted(
    rows: Iterable[T], name: str, silent: bool = False, now: Callable[[], float] = time.monotonic
) -> Iterator[T]:
    """The rows, counted on the terminal once they take longer than `AFTER_S`."""
    began, shown = now(), None
    number = 0
    try:
        for row in rows:
            number += 1
            if number % _STEP == 0:
                if shown is None and now() - began > AFTER_S:
                    shown = bar(silent)
                    progress = shown.__enter__()
                    task = progress.add_task(f"reading {name}", total=None)
                if shown is not None:
                    progress.update(task, completed=number)
            yield row
    finally:
        if shown is not None:
            shown.__exit__(None, None, None)
