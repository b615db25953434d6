"""How many conditions a second are decided for entities of 30 attributes, beside a bare CEL loop.

Ours: `evaluation.evaluate`, which binds an entity once, decides all its conditions with three values, names the
facts each rule read, fills in its sentence, and tells the next timers. Reference: the same compiled CEL programs over
the same values, one activation an entity, nothing else.
"""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

from cel_expr_python import cel
from common.declarations.catalogue import Catalogue
from common.declarations.evaluation import CompiledDesiredState, EntityView, Origin, evaluate
from common.declarations.loader import load

SECONDS = 1.5
ENTITIES = 2_000
ASOF = datetime(2023, 7, 3, tzinfo=UTC)
_RULES = [
    "text0 == 'open' && number0 > 3",
    "text1 != 'closed'",
    "date0 > today - days(90)",
    "flag0 || number1 < 50",
    "text2.startsWith('a') && !flag1",
    "date1 <= date2",
    "number2 + number3 < 100",
    "text3 == text4 || flag2",
    "text5.matches('[ABC]')",
    "date3 > today - days(365) && text6 != 'x'",
]
_CONDITIONS = len(_RULES) + 2  # and done, and the selector


def _declaration() -> str:
    kinds = (("text", "text"), ("number", "number"), ("date", '"yyyy-MM-dd"'))
    lines = [f"    {name}{i}: {{from: {name}{i}, read: {read}}}" for name, read in kinds for i in range(8)]
    lines += [f'    flag{i}: {{from: flag{i}, read: {{"Y": true, "N": false}}}}' for i in range(6)]
    rules = [f'    - {{name: rule-{i}, expect: "{rule}", says: Rule {i}.}}' for i, rule in enumerate(_RULES)]
    return "\n".join([
        "apiVersion: trueup/v1alpha1", "kind: EntityType", "metadata: {name: thing}", "spec:",
        "  about: A thing.", "  source: bench", "  key: id", "  freshFor: 30 days", "  attributes:", *lines, "---",
        "apiVersion: trueup/v1alpha1", "kind: DesiredState", "metadata: {name: things}", "spec:",
        "  statement: Things are right.", "  basis: Bench", "  owner: nobody", "  effective: 2023-01-01",
        "  timezone: Europe/Amsterdam", "  selector: {entity: thing, where: \"text7 != 'never'\"}",
        "  done: text0 == 'done'", "  severity: {medium: otherwise}", "  expectations:", *rules,
        "  verification: {proof: done, soak: 1 day, within: 9 days}", "  remediation: {autonomy: L1}",
    ])  # fmt: skip


def _row(number: int) -> dict[str, Any]:
    row: dict[str, Any] = {f"text{i}": ("open", "alpha", "B", "done")[(number + i) % 4] for i in range(8)}
    row |= {f"number{i}": str((number * (i + 1)) % 100) for i in range(8)}
    row |= {f"date{i}": (date(2023, 7, 1) - timedelta(days=(number * (i + 3)) % 200)).isoformat() for i in range(8)}
    row |= {f"flag{i}": "YN"[(number + i) % 2] for i in range(6)}
    if number % 10 == 0:
        row["date0"] = "N/A"
    return row


def measure() -> list[dict[str, Any]]:
    """The figure in the form of `bench.json`."""
    loaded = load(_declaration(), "bench.yaml")
    assert not loaded.problems, loaded.problems
    catalogue = Catalogue().with_documents(loaded.documents)
    state = catalogue.compiled("things")
    reader = catalogue.readers["thing"]
    origin = Origin("entity/thing/1", "event", ASOF + timedelta(days=9))
    views = [EntityView("thing", str(i), reader.read(_row(i)).values, origin) for i in range(ENTITIES)]
    ours, bare = _ours(state, views), _bare(views)
    return [
        {
            "name": "cel_evaluations_per_s",
            "value": round(ours),
            "unit": "evaluations/s",
            "reference_name": "bare CEL loop",
            "reference": round(bare),
            "ratio": round(ours / bare, 3),
        }
    ]


def _ours(state: CompiledDesiredState, views: list[EntityView]) -> float:
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        for view in views:
            evaluate(state, view, ASOF)
        done += len(views) * _CONDITIONS
    return done / (time.perf_counter() - start)


def _bare(views: list[EntityView]) -> float:
    scope = {name: cel.Type.STRING for name in (f"text{i}" for i in range(8))}
    scope |= {f"number{i}": cel.Type.INT for i in range(8)}
    scope |= {f"date{i}": cel.Type.TIMESTAMP for i in range(8)} | {f"flag{i}": cel.Type.BOOL for i in range(6)}
    env = cel.NewEnv(variables={**scope, "today": cel.Type.TIMESTAMP})
    rules = [
        rule.replace("days(90)", "duration('2160h')").replace("days(365)", "duration('8760h')") for rule in _RULES
    ]
    programs = [env.compile(rule) for rule in [*rules, "text0 == 'done'", "text7 != 'never'"]]
    entities = [{**_plain(view), "today": ASOF} for view in views]
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        for entity in entities:
            activation = env.Activation(entity)
            for program in programs:
                program.eval(activation).value()
        done += len(entities) * len(programs)
    return done / (time.perf_counter() - start)


def _plain(view: EntityView) -> dict[str, Any]:
    values = {name: value for name, value in view.values.items() if isinstance(value, str | int | date)}
    return {
        name: datetime(value.year, value.month, value.day, tzinfo=UTC) if isinstance(value, date) else value
        for name, value in values.items()
    }


if __name__ == "__main__":
    print(measure())
