"""Where a declaration may not name what is sensitive: everywhere that its value would be written down in the clear,
and where an examiner without keys must decide it again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from common.declarations import compiling, templates
from common.declarations.evaluation import CompiledDesiredState
from common.declarations.expressions import Language
from common.declarations.models import ApprovalPolicy, EntityType
from common.declarations.problems import Path, Wrong

Report = Callable[[Path, Wrong], None]


def sensitive_variables(entity_type: EntityType, types: Mapping[str, EntityType]) -> frozenset[str]:
    """The variables of a desired state over `entity_type` that are sensitive: its own, and those of relations."""
    found = set(entity_type.sensitive_attributes)
    for name, relation in entity_type.related.items():
        if relation.count is None and (other := types.get(relation.other)) is not None:
            found |= {f"{name}.{attribute}" for attribute in other.sensitive_attributes}
    return frozenset(found)


def check_entity_type(
    spec: EntityType, language: Language, types: Mapping[str, EntityType], former: EntityType | None, report: Report
) -> None:
    """Report checks and relations that read what is sensitive, and columns that would no longer be."""
    for index, source in enumerate(spec.checks):
        _refuse(
            language.compile(source).reads, spec.sensitive_attributes, ("checks", index), "sensitive_check", report
        )
    for name, relation in spec.related.items():
        other = types.get(relation.other)
        if other is not None:
            reads = [relation.through, *([relation.by] if relation.by else [])]
            _refuse(reads, other.sensitive_attributes, ("related", name), "sensitive_relation", report)
            own = [relation.own] if relation.own else []
            _refuse(own, spec.sensitive_attributes, ("related", name), "sensitive_relation", report)
        if spec.sensitive_key and relation.own is None:
            report(
                ("related", name),
                Wrong(
                    "sensitive_relation",
                    f"{spec.key}, the key, is sensitive, and {relation.other}.{relation.through} would name it: in "
                    "the clear, where nothing seals it.",
                    "Drop the relation, or let the source give entities a number without a meaning as their key.",
                ),
            )
    hidden = sensitive_variables(spec, types)
    for item in compiling.relations(spec, types, report):
        far = types[item.relation.other].sensitive_attributes
        read = item.where.reads if item.where else ()
        path: Path = ("related", item.name, "where")
        _refuse([name for name in read if name in far], far, path, "sensitive_relation", report)
        _refuse(item.reads, hidden, path, "sensitive_relation", report)
    if former is not None and _known_by(former) != _known_by(spec):
        report(
            ("sensitive",),
            Wrong(
                "sensitive_key_changed",
                "Whether the key is sensitive, and which column it is, can't change: what is stored goes by the "
                f"{'pseudonym' if former.sensitive_key else 'key'}, and would be other entities from now on.",
                "Declare another entity type, and let the source report to that.",
            ),
        )
    if former is not None and (dropped := former.sensitive_columns - spec.sensitive_columns):
        report(
            ("sensitive",),
            Wrong(
                "sensitive_dropped",
                f"{', '.join(sorted(dropped))} is sealed so far, and would be stored in the clear from now on.",
                "Keep it under sensitive, by the column's name where no attribute is read from it any more.",
            ),
        )


def _known_by(spec: EntityType) -> str:
    return spec.key if spec.sensitive_key else ""


def check_desired_state(state: CompiledDesiredState, hidden: frozenset[str], report: Report) -> None:
    """Report where a desired state would write a sensitive value down, or leave a proof that nobody can check."""
    spec, expectations = state.spec, len(state.spec.expectations)
    if state.where is not None:
        _refuse(state.where.reads, hidden, ("selector", "where"), "sensitive_proof", report)
    _refuse(state.proof.reads, hidden, ("verification", "proof"), "sensitive_proof", report)
    for index, watch in enumerate(state.watch):
        if watch.unchanged is not None:
            _refuse([watch.unchanged], hidden, ("verification", "watch", index), "sensitive_text", report)
    for index, rule in enumerate(state.rules):
        path: Path = ("expectations", index) if index < expectations else ("deadlines", index - expectations)
        _refuse(rule.says.reads, hidden, (*path, "says"), "sensitive_text", report)
        _refuse([rule.by] if rule.by else [], hidden, (*path, "by"), "sensitive_date", report)
    for index, objective in enumerate(spec.objectives):
        dates = [objective.at] if objective.at else []
        dates += [objective.timespan.start, objective.timespan.stop] if objective.timespan else []
        _refuse(dates, hidden, ("objectives", index), "sensitive_date", report)
    objectives = {objective.name for objective in spec.objectives}  # their steps read measures, and no attribute
    for name, steps in spec.remediation.playbook.items():
        for index, step in enumerate(steps if name not in objectives else ()):
            path = ("remediation", "playbook", name, index)
            for parameter, template in step.parameters.items():
                texts = template if isinstance(template, tuple) else (template,)
                reads = [read for text in texts for read in _reads(str(text), state.language)]
                _refuse(reads, hidden, (*path, "with", parameter), "sensitive_parameter", report)
            _refuse(_reads(step.why or "", state.language), hidden, (*path, "why"), "sensitive_text", report)


def check_exemption(reads: Iterable[str], hidden: frozenset[str], path: Path, report: Report) -> None:
    """Report a condition that says by what is sensitive which entities are left alone."""
    _refuse(reads, hidden, path, "sensitive_exemption", report)


def check_policy(spec: ApprovalPolicy, entity_type: EntityType, report: Report) -> None:
    """Report roles that would be routed by what is sensitive: tickets name them."""
    for role, attribute in spec.owners.items():
        if role != "otherwise":
            _refuse([attribute], entity_type.sensitive_attributes, ("owners", role), "sensitive_owner", report)


_OFFERED = (
    "It may decide in when: and expect: of a rule, in severity:, in peopleOnly:, and in done: where the proof doesn't"
    " use it: there it is opened in memory, and only the result is stored. Else use one that is not sensitive."
)
_WHY = {
    "sensitive_check": "a row that fails it is set aside before anything is opened",
    "sensitive_relation": "who is joined to whom would be stored in the clear",
    "sensitive_proof": "an examiner decides this again, and has no keys; nor has anybody, once it is erased",
    "sensitive_text": "the text is stored in the clear",
    "sensitive_date": "the deadline or the duration that it makes is stored in the clear, and tells the date",
    "sensitive_parameter": "parameters are stored, and given to another system, in the clear",
    "sensitive_exemption": "who is left alone would be named by it, in the clear",
    "sensitive_owner": "the ticket names the role that it leads to",
}


def _refuse(reads: Iterable[str], hidden: frozenset[str], path: Path, code: str, report: Report) -> None:
    found = sorted(hidden.intersection(reads))
    if found:
        told = f"{', '.join(found)} is sensitive and can't be read here: {_WHY[code]}."
        report(
            path,
            Wrong(code, told, _OFFERED),
        )


def _reads(text: str, language: Language) -> tuple[str, ...]:
    return templates.parse(text, language.scope).reads
