"""What one desired state would find in given rows. Pure: rows and an instant in, decided cases out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from common.declarations.catalogue import Catalogue
from common.declarations.computing import Happened, merged, ordered_events
from common.declarations.evaluation import (
    CompiledDesiredState,
    EntityView,
    Evaluation,
    Origin,
    RuleResult,
    evaluate,
)
from common.declarations.models import Relation
from common.declarations.relations import Candidate, keys_named, targets, with_relations
from common.declarations.values import Slot, Status, Unknown, UnknownKind
from common.objectives.contributing import Contribution, Result, contribution, measured

from cli.preview.states import State, StateRow


@dataclass(frozen=True, slots=True)
class Seen:
    """One entity that is a case, undecided, or asked for: its row, its decision, its variables."""

    row: StateRow
    evaluation: Evaluation
    slots: Mapping[str, Slot]

    @property
    def key(self) -> str:
        return self.row.key


@dataclass(frozen=True, slots=True)
class Remedy:
    """What could be done about one case and what it would ask of people.

    `steps` are (action, risk, level) of the playbook for the failing rules; `approve` and `confirm` are people by
    role; `fallback` are the routed roles that no attribute names, with the role that stands in.
    """

    steps: tuple[tuple[str, str, str], ...]
    confirm: Mapping[str, int]
    approve: Mapping[str, int]
    release: Mapping[str, int]
    owners: Mapping[str, str]
    fallback: Mapping[str, str]


@dataclass(slots=True)
class Preview:
    """One desired state over all rows. Lists are in the order of keys, `cases` in order of urgency; those that are
    only due soon are cases, too."""

    state: CompiledDesiredState
    catalogue: Catalogue
    asof: datetime
    total: int = 0
    selected: int = 0
    selector_unknown: list[Seen] = field(default_factory=list)
    cases: list[Seen] = field(default_factory=list)
    undecided: list[Seen] = field(default_factory=list)
    on_track: list[Seen] = field(default_factory=list)
    left_alone: list[Seen] = field(default_factory=list)
    met: int = 0
    asked_for: list[Seen] = field(default_factory=list)
    set_aside: dict[str, list[tuple[StateRow, str]]] = field(default_factory=dict)
    unreadable: dict[str, list[StateRow]] = field(default_factory=dict)
    missing_types: list[str] = field(default_factory=list)
    objectives: list[Result] = field(default_factory=list)
    contributions: list[list[Contribution]] = field(default_factory=list, repr=False)

    @property
    def in_force(self) -> bool:
        return self.asof >= self.state.effective

    @property
    def due_soon(self) -> list[Seen]:
        """The cases in which nothing is missed yet."""
        return [seen for seen in self.cases if seen.evaluation.standing == "due soon"]

    @property
    def together(self) -> list[Result]:
        """The missed objectives: the rules of the one case of the whole population, which is none of `cases`."""
        return [result for result in self.objectives if result.standing == "missed"] if self.in_force else []

    @property
    def opens(self) -> int:
        """How many cases would open, that of the whole population among them."""
        return len(self.cases) + bool(self.together)

    @property
    def open_questions(self) -> int:
        """How many cases would open, and of how many entities that can't be told."""
        return self.opens + len(self.undecided) + len(self.selector_unknown)

    def remedy(self, seen: Seen) -> Remedy:
        """The playbook's answer to the rules that fail (for one that is undecided: only what gathers evidence)."""
        return self._remedy(self._actions(seen), seen.evaluation.severity, seen.slots)

    def remedy_together(self) -> Remedy:
        """The playbook's answer to the missed objectives."""
        playbook = self.state.spec.remediation.playbook
        names = [result.objective.name for result in self.together]
        actions = list(dict.fromkeys(step.action for name in names for step in playbook.get(name, ())))
        return self._remedy(actions, self.state.severity[-1][0], {})

    def _remedy(self, actions: Sequence[str], severity: str, slots: Mapping[str, Slot]) -> Remedy:
        catalogue, name = self.catalogue, self.state.name
        policy = catalogue.policy(name)
        steps = tuple((item, catalogue.actions[item].risk, catalogue.effective_level(name, item)) for item in actions)
        approve = catalogue.required_approvals(name, actions, severity)
        confirm = dict(policy.confirm_gap) if policy else {}
        owners, fallback = {}, {}
        for role in dict.fromkeys((*confirm, *approve)):
            value, stand_in = catalogue.owner_role(name, role, slots)
            if value:
                owners[role] = value
            elif stand_in != role:
                fallback[role] = stand_in
        release = dict(policy.release_step) if policy and any(level == "L2" for *_, level in steps) else {}
        return Remedy(steps, confirm, approve, release, owners, fallback)

    def _actions(self, seen: Seen) -> list[str]:
        playbook = self.state.spec.remediation.playbook
        decided = seen.evaluation.standing in ("gap", "due soon")
        wanted = (Status.MISSED, Status.SOON) if decided else (Status.UNKNOWN,)
        actions: dict[str, None] = {}
        for rule in seen.evaluation.failing:
            for step in playbook.get(rule.name, ()) if rule.status in wanted else ():
                if decided or self.catalogue.actions[step.action].when_unknown == "allowed":
                    actions[step.action] = None
        return list(actions)


OPEN = ("gap", "undecided", "due soon")
"""The standings in which a case is open."""


def instant_of(at: date | datetime, zone: ZoneInfo) -> datetime:
    """An instant as given; a day is its beginning in the declaration's own time zone."""
    if isinstance(at, datetime):
        return at
    return datetime.combine(at, time(), zone)


def previews(
    catalogue: Catalogue, states: Mapping[str, State], at: date | datetime, only: frozenset[str] = frozenset()
) -> list[Preview]:
    """One Preview for each desired state of the catalogue, by name. `only` limits the entities decided, not the
    rows that relations see."""
    worlds: dict[datetime | None, World] = {}
    found = []
    for name in sorted(catalogue.desired_states):
        state = catalogue.compiled(name)
        asof = instant_of(at, state.zone) if catalogue.logs else None  # other rows are the same at all times
        world = worlds.get(asof) or worlds.setdefault(asof, World(catalogue, states, asof))
        found.append(_preview(state, world, at, only))
    return found


def _preview(state: CompiledDesiredState, world: "World", at: date | datetime, only: frozenset[str]) -> Preview:
    result = Preview(state, world.catalogue, instant_of(at, state.zone))
    entity_type = state.spec.selector.entity
    result.missing_types = world.missing(entity_type)
    result.contributions = [[] for _ in state.objectives]
    for row in world.each(entity_type):
        result.total += 1
        if not only or row.key in only:
            _decide(result, world, entity_type, row, only)
    _sort(result)
    types = dict.fromkeys((entity_type, *(join.other for join in world.catalogue.joins_of(entity_type))))
    result.set_aside = {name: rows for name in types if (rows := world.set_aside(name))}
    if not only and result.in_force:
        pairs = zip(state.objectives, result.contributions, strict=True)
        result.objectives = [measured(one, every, result.asof, state.zone) for one, every in pairs]
    result.cases.sort(key=lambda seen: _urgency(state, seen))
    return result


def _sort(result: Preview) -> None:
    """Rows come as they stand in their files; lists are by key."""
    for seen in (result.selector_unknown, result.cases, result.undecided, result.on_track, result.asked_for):
        seen.sort(key=lambda item: item.key)
    for rows in result.unreadable.values():
        rows.sort(key=lambda row: row.key)


def _decide(result: Preview, world: "World", entity_type: str, row: StateRow, only: frozenset[str]) -> None:
    state = result.state
    view = world.view(entity_type, row)
    evaluation = evaluate(state, view, result.asof)
    standing = evaluation.standing
    seen = Seen(row, evaluation, evaluation.slots)
    for objective, parts in zip(state.objectives, result.contributions, strict=True):
        part = contribution(objective, state, evaluation)
        parts.extend([part] if part is not None else [])
    if only:
        result.asked_for.append(seen)
    if standing == "selector unknown":
        result.selector_unknown.append(seen)
    elif standing in ("gap", "due soon"):
        result.cases.append(seen)
    elif standing == "undecided":
        result.undecided.append(seen)
    elif standing == "on track":
        result.on_track.append(seen)
    if evaluation.exempt:
        result.left_alone.append(seen)
    if standing not in ("not selected", "selector unknown"):
        result.selected += 1
        result.met += standing == "met"
        for name, slot in view.values.items():
            if isinstance(slot, Unknown) and slot.kind == "unreadable":
                result.unreadable.setdefault(name, []).append(row)


def _urgency(state: CompiledDesiredState, seen: Seen) -> tuple[int, int, float, str]:
    """Severe first, then the one that is late, then more failing rules, then the longest late."""
    level = [name for name, _ in state.severity].index(seen.evaluation.severity)
    late = [rule.due.timestamp() for rule in missed(seen) if rule.due is not None]
    return level, -len(missed(seen)) if late else 0, min(late, default=float("inf")), seen.key


def missed(seen: Seen) -> list[RuleResult]:
    return [rule for rule in seen.evaluation.failing if rule.status is Status.MISSED]


def last_day(due: datetime, zone: ZoneInfo) -> date:
    """The last day on which a deadline can still be kept."""
    return (due.astimezone(zone) - timedelta(microseconds=1)).date()


class World:
    """All rows, those that relations reach held and read once, with an index from a key to the rows that name it. Of
    a log what happened by `asof`."""

    def __init__(self, catalogue: Catalogue, states: Mapping[str, State], asof: datetime | None = None) -> None:
        self.catalogue, self.states = catalogue, states
        self._cases: dict[str, dict[str, list[Happened]]] = {}
        self._rows: dict[str, Mapping[str, StateRow]] = {}
        for entity_type, given in states.items():
            self._rows[entity_type] = given.rows
            if entity_type in catalogue.logs:
                self._happened(entity_type, given, asof)
        self._read: dict[tuple[str, str], tuple[Mapping[str, Slot], str]] = {}
        self._set_aside: dict[str, dict[str, tuple[StateRow, str]]] = {}
        self._named: dict[tuple[str, str], dict[str, list[Candidate]]] = {}
        for join in catalogue.joins():
            self._index(join.other, join.through)

    def missing(self, entity_type: str) -> list[str]:
        wanted = [entity_type, *(join.other for join in self.catalogue.joins_of(entity_type))]
        return [name for name in dict.fromkeys(wanted) if name not in self.states]

    def rows(self, entity_type: str) -> Mapping[str, StateRow]:
        """By key: the rows of a type; of a case what all of its events come to."""
        return self._rows.get(entity_type, {})

    def each(self, entity_type: str) -> Iterable[StateRow]:
        """The rows of a type, in no particular order, held or not."""
        given = self.states.get(entity_type)
        if given is not None and given.streamed is not None:
            return given.each(self.catalogue.readers[entity_type])
        return self.rows(entity_type).values()

    def _happened(self, entity_type: str, given: State, asof: datetime | None) -> None:
        cases = {
            key: [event for event in events if asof is None or event.at <= asof]
            for key, events in given.cases.items()
        }
        self._cases[entity_type] = {key: events for key, events in cases.items() if events}
        self._rows[entity_type] = {
            key: replace(given.rows[key], row=merged(ordered_events(events)))
            for key, events in self._cases[entity_type].items()
        }

    def keys(self, entity_type: str) -> Iterable[str]:
        """The keys that were given of a type that is declared."""
        known = entity_type in self.catalogue.entity_types and entity_type in self.states
        return self.rows(entity_type) if known else ()

    def row(self, entity_type: str, key: str) -> StateRow | None:
        return self.rows(entity_type).get(key) if entity_type in self.catalogue.entity_types else None

    def set_aside(self, entity_type: str) -> list[tuple[StateRow, str]]:
        """The rows that contradict themselves, of those that were read so far: by key, each with the reason."""
        return [found for _, found in sorted(self._set_aside.get(entity_type, {}).items())]

    def view(self, entity_type: str, row: StateRow) -> EntityView:
        values, _ = self._values(entity_type, row)
        view = EntityView(entity_type, row.key, values, _origin(entity_type, row))
        relations = self.catalogue.relations[entity_type]
        if not relations:
            return view
        candidates = {item.name: self._candidates(item.relation, row.key, values) for item in relations}
        return with_relations(view, relations, candidates)

    def _candidates(self, relation: Relation, key: str, values: Mapping[str, Slot]) -> Iterable[Candidate] | Unknown:
        if relation.other not in self.states:
            kind: UnknownKind = "absent" if relation.count is None else "undecided"
            return Unknown(kind, f"no {relation.other} records were given")
        index = self._named[relation.other, relation.through]
        named = targets(relation, key, values)
        return {one.key: one for target in named for one in index.get(target, ())}.values()

    def _values(self, entity_type: str, row: StateRow) -> tuple[Mapping[str, Slot], str]:
        held = self.states[entity_type].streamed is None
        known = self._read.get((entity_type, row.key)) if held else None
        if known is None:
            reader, cases = self.catalogue.readers[entity_type], self._cases.get(entity_type)
            reading = reader.read(row.row) if cases is None else reader.read_case(cases[row.key])
            known = (reading.values, reading.set_aside)
            if held:
                self._read[entity_type, row.key] = known
            if reading.set_aside:
                self._set_aside.setdefault(entity_type, {})[row.key] = (row, reading.set_aside)
        return known

    def _index(self, other: str, through: str) -> None:
        if (other, through) in self._named:
            return
        index: dict[str, list[Candidate]] = {}
        for row in self.rows(other).values():
            values, set_aside = self._values(other, row)
            for key in () if set_aside else keys_named(dict(values), through):
                index.setdefault(key, []).append(Candidate(row.key, dict(values), _origin(other, row)))
        self._named[other, through] = index


def _origin(entity_type: str, row: StateRow) -> Origin:
    return Origin(f"entity/{entity_type}/{row.key}", f"{row.file}:{row.line}")
