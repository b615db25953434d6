"""Objectives in words."""

from datetime import date
from fractions import Fraction

from common.declarations.objectives import CLOCKS, CompiledObjective
from common.declarations.values import day_text
from common.objectives.contributing import Result

_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def amount(measure: str, value: Fraction) -> str:
    """`47`, `88.3 %`, `17.7 days`: one decimal, and none where it is whole."""
    if measure == "count":
        return f"{int(value):,}"
    if measure == "share":
        return f"{_decimal(value * 100)} %"
    size, unit = next((size, unit) for size, unit in _UNITS if value >= size or size == 1)
    number = _decimal(value / size)
    return f"{number} {unit}{'' if number == '1' else 's'}"


def wanted(objective: CompiledObjective) -> str:
    """`at most 3 days wanted by 30 September 2012`."""
    spec, target = objective.spec, objective.target
    told = f"{target.side} {amount(spec.measure, target.value)} wanted"
    return told if spec.reach is None else f"{told} by {day_text(date.fromisoformat(spec.reach))}"


def found(result: Result) -> str:
    """`17.7 days on average over 2,246 in the last 30 days`, with what is unknown and why it is undecided."""
    spec, measure = result.objective.spec, result.measure
    value = "nothing yet" if measure.value is None else amount(spec.measure, measure.value)
    kind = {"count": "of", "share": "of", "mean": "on average over"}.get(spec.measure)
    told = f"{value} {kind or f'for {CLOCKS[spec.measure]} % of'} {measure.among:,}"
    told += f" {_span(spec.window)}" if spec.window else ""
    told += f" ({measure.unknown:,} unknown)" if measure.unknown else ""
    return told + (f": {measure.why}" if measure.why else "")


def _span(window: str) -> str:
    """`in the last 30 days`, `in this calendar month`."""
    return f"in the last {window.removeprefix('rolling ')}" if window.startswith("rolling") else f"in this {window}"


def _decimal(value: Fraction) -> str:
    """One decimal, rounded half up; without it where it is 0."""
    tenths = int(value * 10 + Fraction(1, 2))
    whole, rest = divmod(tenths, 10)
    return f"{whole:,}.{rest}" if rest else f"{whole:,}"
