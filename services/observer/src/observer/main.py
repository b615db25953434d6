"""The composition root: wires the observer and runs it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from common.bus import Consumer
from common.clock import wall_now
from common.directory import WatchedDirectory
from common.errors import Transient
from common.jobs import Nudge
from common.ledger import Connection, Recorded
from common.runtime import Parts, Runtime, Service, Task, run
from common.subject_keys import subject_keys

from observer.acting import Eraser
from observer.adapters.feeds import WatchedFeeds
from observer.adapters.judgements import PostgresJudgements
from observer.adapters.poll_metrics import exposition
from observer.adapters.poller import Poller
from observer.adapters.polls import watched_polls
from observer.adapters.quarantine import PooledTransactions, PostgresQuarantine
from observer.adapters.records import PostgresRecords
from observer.adapters.upstream import upstream
from observer.api import Context, metrics_router, router, setup
from observer.handlers import Recorder
from observer.settings import ObserverSettings
from observer.workers import Judge

_log = logging.getLogger(__name__)


async def compose(runtime: Runtime) -> Parts:
    """The observer's parts. Raises ValueError when the file of the feeds can't be used."""
    assert isinstance(runtime.settings, ObserverSettings)
    settings = runtime.settings
    records, keys = PostgresRecords(runtime.ledger), subject_keys(settings.subject_keys)
    recorder = Recorder(records, wall_now, keys)
    people = WatchedDirectory(settings.directory, settings.realm) if settings.directory is not None else None
    eraser = Eraser(records, keys, people, wall_now)
    async with runtime.pool.acquire() as connection, connection.transaction():
        if back := await eraser.again(connection):
            _log.warning("%d subject keys had come back, from a backup perhaps; they are destroyed again", back)
    context = Context(
        recorder,
        PooledTransactions(runtime.pool),
        PostgresQuarantine(runtime.pool),
        WatchedFeeds(runtime.settings.feeds),
    )

    poller = Poller(watched_polls(settings.polls), recorder, context.transactions, wall_now)
    judge, nudge = Judge(PostgresJudgements(runtime.ledger), lambda: recorder.known, wall_now), Nudge()
    recorder.news = nudge

    async def learn(connection: Connection, _recorded: Sequence[Recorded]) -> None:
        await recorder.refresh(connection)
        await judge.judge(connection)

    async def completeness(stop: asyncio.Event) -> None:
        """Judge when there is news, and as time passes on a wall clock: what is late counts as missing then."""
        async with nudge.at(stop):
            while not stop.is_set():
                try:
                    async with runtime.pool.acquire() as connection, connection.transaction():
                        await recorder.refresh(connection)
                        await judge.judge(connection)
                except Transient as error:
                    if error.reason_code != "realm_missing":
                        raise
                await nudge.wait()

    tasks: dict[str, Task] = {"completeness": completeness}
    if settings.polls is not None:
        tasks["polls"] = poller.run
    return Parts(
        consumers=[Consumer(("declarations", "clock"), learn), Consumer(("erasures",), eraser.on_erasures)],
        raw=upstream(recorder),
        tasks=tasks,
        routers=[router(context), metrics_router(lambda: exposition(poller.states, wall_now()))],
        setup=setup,
        notes=poller.notes,
    )


SERVICE = Service(
    name="observer",
    compose=compose,
    settings=ObserverSettings,
    description="Records what upstream systems report, once, as reported; refuses what it cannot, and says why.",
)


def main() -> None:
    run(SERVICE)


if __name__ == "__main__":
    main()
