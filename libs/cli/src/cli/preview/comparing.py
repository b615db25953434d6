"""What a new declaration would mean beside the one that counts now, over given rows. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from common.changes.tally import concerned, tally
from common.declarations.catalogue import Catalogue
from common.declarations.evaluation import EntityView
from common.events.differ import ChangedState

from cli.preview.preview import World, instant_of
from cli.preview.states import State


@dataclass(frozen=True, slots=True)
class Compared:
    """`changed`: what becomes of each desired state that is decided otherwise. `same` are the others, by name, and
    `kept` those of them that the new file says nothing about: leaving a declaration out takes nothing back."""

    changed: Sequence[ChangedState]
    same: Sequence[str]
    kept: Sequence[str]
    asof: datetime | None


def compare(
    before: Catalogue, after: Catalogue, states: tuple[Mapping[str, State], Mapping[str, State]], at: date | datetime
) -> Compared:
    """Compare two catalogues over the same rows, read under either; `after` holds all that stays in force, too."""
    old, new = World(before, states[0]), World(after, states[1])
    names = concerned(before, after)
    changed, asof = [], None
    for name in names:
        state = after.compiled(name)
        asof = instant_of(at, state.zone)
        found = tally(before, after, name, asof)
        for item in sorted(found.entity_types):
            for key in sorted({key for world in (old, new) for key in world.keys(item)}):
                found.see(key, _view(old, item, key), _view(new, item, key))
        changed.append(found.changed())
    same = [name for name in sorted(after.desired_states) if name not in names]
    untouched = [
        name for name in same if before.documents.get(("DesiredState", name)) is after.documents["DesiredState", name]
    ]
    return Compared(changed, same, untouched, asof)


def _view(world: World, entity_type: str, key: str) -> EntityView | None:
    row = world.row(entity_type, key)
    return None if row is None else world.view(entity_type, row)
