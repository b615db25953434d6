"""An objective's evidence in sentences, for pages, the command line and the narrative: the same words everywhere."""

from __future__ import annotations

from fractions import Fraction

from common.events.differ import Contributor, Measured, ProcessTrace
from common.objectives import wording

MOST_TOLD = 5


def sentences(measured: Measured, most: int = MOST_TOLD) -> list[str]:
    """Where it should be by now, who keeps it from its target, and where the time goes; each as far as it is known.
    Of every list at most `most`, with the count of the rest."""
    told = []
    if measured.baseline is not None and measured.standing in ("on track", "behind") and measured.path is not None:
        told.append(f"It began at {measured.baseline.says}; by now {measured.path} would be on its way.")
    if measured.contributors:
        told.append(f"What keeps it there: {contributors(measured, most)}.")
    if measured.trace is not None:
        told += _trace(measured.trace, most)
    return told


def contributors(measured: Measured, most: int) -> str:
    """`F-1 (open for 40 days), F-2 (took 12 days) and 30 more`, the worst first."""
    shown = measured.contributors[:most]
    more = measured.others + len(measured.contributors) - len(shown)
    told = ", ".join(map(_one, shown))
    return f"{told} and {more:,} more" if more else told


def _one(contributor: Contributor) -> str:
    return f"{contributor.key} ({contributor.says})"


def _trace(trace: ProcessTrace, most: int) -> list[str]:
    told = []
    if trace.steps:
        steps = [
            f"{step.begin} → {step.end} {_time(step.median_s)} in the middle of {step.entities:,}"
            + (f", {_time(step.longest_s)} at the longest" if step.longest_s > step.median_s else "")
            for step in trace.steps[:most]
        ]
        told.append(f"Where the time went, over {trace.entities:,} of these: {_list(steps, len(trace.steps))}.")
    if trace.loops:
        loops = [f"{loop.step} {loop.times:,} times more, by {loop.entities:,}" for loop in trace.loops[:most]]
        told.append(f"What came again: {_list(loops, len(trace.loops))}.")
    if trace.waits:
        waits = [
            f"{wait.entities:,} after {wait.after}, {'our' if wait.whose == 'ours' else 'their'} move, for up to "
            f"{_time(wait.longest_s)}"
            for wait in trace.waits[:most]
        ]
        told.append(f"What waits: {_list(waits, len(trace.waits))}.")
    return told


def _list(shown: list[str], every: int) -> str:
    more = every - len(shown)
    return "; ".join(shown) + (f"; {more:,} more" if more else "")


def _time(seconds: int) -> str:
    return wording.amount("mean", Fraction(max(seconds, 0)))
