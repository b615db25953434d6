"""Conditions that compare with a text which an attribute never holds: a typo there decides every entity alike."""

from collections.abc import Callable, Iterator, Mapping

from common.declarations.expressions import compared
from common.declarations.models import DesiredState, EntityType
from common.declarations.problems import Path, Wrong, did_you_mean

CODE = "unknown_value"


def check(
    spec: DesiredState,
    entity_type: EntityType,
    types: Mapping[str, EntityType],
    report: Callable[[Path, Wrong], None],
) -> None:
    """Report every such comparison of a desired state whose conditions compile."""
    known = _texts(entity_type, types)
    for path, source in _conditions(spec):
        for name, text in compared(source):
            if name in known and text not in known[name]:
                told = f"{name} is never {text!r}."
                listed = f"It is read as: {', '.join(sorted(known[name]))}."
                hint = did_you_mean(text, known[name])
                report(path, Wrong(CODE, told, f"{hint if hint.startswith('Did') else ''} {listed}".strip()))


def _texts(entity_type: EntityType, types: Mapping[str, EntityType]) -> dict[str, frozenset[str]]:
    """What each attribute may hold that is read by a table of texts; those of relations as `relation.attribute`."""
    found = _own(entity_type)
    for relation, declared in entity_type.related.items():
        if declared.count is None and (other := types.get(declared.other)) is not None:
            found |= {f"{relation}.{name}": texts for name, texts in _own(other).items()}
    return found


def _own(entity_type: EntityType) -> dict[str, frozenset[str]]:
    return {
        name: frozenset(str(text) for text in attribute.read.table.values())
        for name, attribute in entity_type.attributes.items()
        if attribute.read.table is not None and attribute.read.type == "text"
    }


def _conditions(spec: DesiredState) -> Iterator[tuple[Path, str]]:
    yield ("done",), spec.done
    yield ("selector", "where"), spec.selector.where or ""
    yield ("verification", "proof"), spec.verification.proof
    yield ("remediation", "peopleOnly"), spec.remediation.people_only or ""
    for level, source in spec.severity.items():
        yield ("severity", level), source
    for at, rule in enumerate(spec.rules):
        place: Path = ("expectations", at)
        if at >= len(spec.expectations):
            place = ("deadlines", at - len(spec.expectations))
        yield (*place, "when"), rule.when or ""
        yield (*place, "expect"), rule.expect
    for index, objective in enumerate(spec.objectives):
        yield ("objectives", index, "of"), objective.of or ""
        if objective.asked is None:
            yield ("objectives", index, objective.measure), objective.condition
