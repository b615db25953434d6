"""Where the objectives stand, read from the ledger: by every service that decides about the case of a population."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from common.declarations.evaluation import CompiledDesiredState, EntityView
from common.entities.rows import Ref
from common.events import Event, typed
from common.events.differ import ObjectiveSnapshot
from common.events.model import Fact
from common.facts import entity_facts
from common.ledger import Connection
from common.objectives.population import POPULATION, Stood, population_facts

_LAST = """
    SELECT DISTINCT ON (stream) stream, event FROM ledger.events
    WHERE stream >= $1 || '/' AND stream < $1 || '0' COLLATE "C" ORDER BY stream, version DESC
"""


async def standings(conn: Connection, desired_state: str) -> dict[str, Stood]:
    """By objective: what the ledger says of it last."""
    rows = await conn.fetch(_LAST, f"{ObjectiveSnapshot.CATEGORY}/{desired_state}")
    found = {}
    for row in rows:
        event = Event.decode(row["event"].encode())
        data = typed(event)
        assert isinstance(data, ObjectiveSnapshot)
        found[data.objective] = Stood(data, event)
    return found


async def subject_facts(
    conn: Connection, state: CompiledDesiredState, ref: Ref, views: Mapping[Ref, EntityView], asof: datetime
) -> dict[str, Fact]:
    """What is known of a case's subject as of `asof`, by name: an entity's attributes, or for a whole population
    whether its objectives are met."""
    if ref[1] != POPULATION:
        return entity_facts(state, views.get(ref, EntityView(*ref, {}, None)), asof)
    objectives = [objective.name for objective in state.objectives]
    return population_facts(objectives, await standings(conn, state.name), state.version)
