"""A superuser takes the triggers off and alters one thing; reading the ledger from end to end finds it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import orjson
import pytest
from cli.ledger import fsck as fsck_module
from cli.ledger.fsck import Report, fsck
from cli.main import app
from cli.stack.realm import Realm
from common.canonical import canonical
from common.clock import wall_now
from common.ledger import Appended, Ledger, NewEvent, append
from common.ledger.checking import Trust
from support import service_keys
from support.ledgers import connected
from support.office import write_directory
from support.walk import Walk, directory, executed
from typer.testing import CliRunner

pytestmark = pytest.mark.integration
Edit: TypeAlias = Callable[[dict[str, Any]], object]

_OPEN = """
ALTER TABLE ledger.events DISABLE TRIGGER ALL;
ALTER TABLE ledger.events DROP CONSTRAINT IF EXISTS events_position;
ALTER TABLE ledger.events DROP CONSTRAINT IF EXISTS events_id_source;
ALTER TABLE ledger.events DROP CONSTRAINT IF EXISTS events_stream_version;
"""


class Superuser:
    """Somebody with all rights, no triggers and no constraints in the way."""

    def __init__(self, connection: Any, walk: Walk) -> None:
        self.connection = connection
        self.walk = walk

    def at(self, type_: str) -> int:
        """The position of the first event of this short type."""
        full = f"trueup.{type_}.v1"
        return next(n for n, event in enumerate(self.walk.ledger) if event.type == full)

    async def column(self, position: int, name: str, value: object) -> None:
        await self.connection.execute(f"UPDATE ledger.events SET {name} = $2 WHERE position = $1", position, value)

    async def bytes(self, position: int, edit: Callable[[str], str]) -> None:
        text = await self.connection.fetchval("SELECT event FROM ledger.events WHERE position = $1", position)
        assert edit(text) != text
        await self.column(position, "event", edit(text))

    async def event(self, position: int, edit: Edit) -> None:
        """Edit the event, and write it in the very form in which it would have been appended."""

        def edited(text: str) -> str:
            said = orjson.loads(text)
            edit(said)
            return canonical(said).decode()

        await self.bytes(position, edited)

    async def copy(self, position: int, to: int, **columns: object) -> None:
        """Insert the event at `position` once more."""
        names = "event, source, id, stream, version, type, case_id, recorded_at"
        await self.connection.execute(
            f"INSERT INTO ledger.events (position, {names}) "
            f"SELECT $2, {names} FROM ledger.events WHERE position = $1",
            position,
            to,
        )
        for name, value in columns.items():
            await self.column(to, name, value)


@pytest.fixture(scope="module")
def story(database: Realm) -> Walk:
    return executed(database.name, wall_now() - timedelta(seconds=60))


@pytest.fixture
async def superuser(database: Realm, story: Walk) -> AsyncIterator[Superuser]:
    """The story is in the ledger; after the test it is there again, unaltered."""
    async with connected(database, "observer") as pool:
        if await Ledger(pool).head(pool) < 0:
            await _tell(database, story)
    connection = await asyncpg.connect(database.admin_url)
    await connection.execute("CREATE TABLE IF NOT EXISTS public.kept AS SELECT * FROM ledger.events")
    await connection.execute(_OPEN)
    yield Superuser(connection, story)
    await connection.execute(
        "DELETE FROM ledger.events; INSERT INTO ledger.events SELECT * FROM public.kept; DELETE FROM ledger.head; "
        "INSERT INTO ledger.head (position) SELECT max(position) FROM public.kept"
    )
    await connection.close()


async def _tell(database: Realm, story: Walk) -> None:
    for event in story.ledger:
        async with connected(database, event.source, size=1) as pool, pool.acquire() as connection:
            answers = await append(connection, [[NewEvent(event, event.streamversion)]])
            assert isinstance(answers[0], Appended), answers[0]


@pytest.fixture
def trust(database: Realm) -> Trust:
    return Trust(directory(database.name), service_keys.trusted(database.name))


async def checked(database: Realm, trust: Trust) -> Report:
    return await fsck(database.url("reader"), trust, lambda done, total: None)


async def test_a_good_ledger_is_sound(database: Realm, superuser: Superuser, trust: Trust) -> None:
    told: list[tuple[int, int]] = []
    report = await fsck(database.url("reader"), trust, lambda *at: told.append(at))
    assert report.findings == []
    assert report.sound and report.events == len(superuser.walk.ledger) == told[-1][0] == told[-1][1]


async def test_it_is_the_same_in_the_smallest_pieces(
    database: Realm, superuser: Superuser, trust: Trust, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fsck_module, "PIECE_BYTES", 1)
    assert (await checked(database, trust)).events == len(superuser.walk.ledger)
    await superuser.connection.execute("DELETE FROM ledger.events WHERE position IN (5, 6, 9)")
    report = await checked(database, trust)
    gaps = [finding.position for finding in report.findings if finding.reason_code == "positions_missing"]
    assert gaps == [7, 10]


async def test_an_empty_ledger_is_sound(database: Realm, superuser: Superuser, trust: Trust) -> None:
    await superuser.connection.execute("DELETE FROM ledger.events; UPDATE ledger.head SET position = -1")
    assert (await checked(database, trust)).sound


# Each does one thing and says where it must be found.


async def deleted(user: Superuser) -> int:
    await user.connection.execute("DELETE FROM ledger.events WHERE position = 7")
    return 8


async def first_deleted(user: Superuser) -> int:
    await user.connection.execute("DELETE FROM ledger.events WHERE position = 0")
    return 1


async def cut_off(user: Superuser) -> None:
    await user.connection.execute(
        "DELETE FROM ledger.events WHERE position = (SELECT max(position) FROM ledger.events)"
    )


async def head_gone(user: Superuser) -> None:
    await user.connection.execute("DELETE FROM ledger.head")


async def a_position_twice(user: Superuser) -> int:
    await user.copy(3, 5)
    return 5


async def before_the_first(user: Superuser) -> int:
    await user.copy(3, -1)
    return -1


def column(name: str, value: object) -> Callable[[Superuser], Awaitable[int]]:
    async def alter(user: Superuser) -> int:
        at = user.at("action.intended")
        await user.column(at, name, value)
        return at

    return alter


def event(type_: str, edit: Edit, **columns: object) -> Callable[[Superuser], Awaitable[int]]:
    async def alter(user: Superuser) -> int:
        at = user.at(type_)
        await user.event(at, edit)
        for name, value in columns.items():
            await user.column(at, name, value)
        return at

    return alter


def raw(edit: Callable[[str], str]) -> Callable[[Superuser], Awaitable[int]]:
    async def alter(user: Superuser) -> int:
        at = user.at("entity.observed")
        await user.bytes(at, edit)
        return at

    return alter


async def an_id_twice(user: Superuser) -> int:
    last = len(user.walk.ledger)
    await user.copy(user.at("entity.observed"), last, stream="entity/finding/other", version=1)
    return last


async def a_version_twice(user: Superuser) -> int:
    last = len(user.walk.ledger)
    await user.copy(user.at("entity.observed"), last, id="another")
    return last


async def versions_exchanged(user: Superuser) -> int:
    first, second = user.at("action.intended"), user.at("action.succeeded")
    for at, version in ((first, 3), (second, 2)):
        await user.column(at, "version", version)
    return first


async def a_later_cause(user: Superuser) -> int:
    at = user.at("gap.opened")
    last = user.walk.ledger[-1].id
    await user.event(at, lambda said: said.update(causationid=last))
    return at


THINGS: dict[str, tuple[str, Callable[[Superuser], Awaitable[int | None]]]] = {
    "deleted": ("positions_missing", deleted),
    "first deleted": ("positions_missing", first_deleted),
    "end cut off": ("head_wrong", cut_off),
    "head gone": ("head_wrong", head_gone),
    "position twice": ("position_wrong", a_position_twice),
    "before the first": ("position_wrong", before_the_first),
    "column source": ("copy_differs", column("source", "planner")),
    "column id": ("copy_differs", column("id", "0" * 32)),
    "column stream": ("copy_differs", column("stream", "execution/other/case/1")),
    "column type": ("copy_differs", column("type", "trueup.action.failed.v1")),
    "column case": ("copy_differs", column("case_id", "other/case/1")),
    "column case empty": ("copy_differs", column("case_id", None)),
    "column version": ("copy_differs", column("version", 9)),
    "recorded_at": ("time_out_of_bounds", column("recorded_at", wall_now() - timedelta(hours=1))),
    "time": ("time_out_of_bounds", event("entity.observed", lambda e: e.update(time="2023-07-01T00:00:00Z"))),
    "time no instant": ("time_out_of_bounds", event("entity.observed", lambda e: e.update(time=7))),
    "white space": ("not_canonical", raw(lambda text: text.replace(",", ", ", 1))),
    "unknown attribute": ("not_canonical", raw(lambda text: '{"zone":"x",' + text[1:])),
    "key twice": ("not_canonical", raw(lambda text: '{"actor":"x",' + text[1:])),
    "a float": ("not_canonical", raw(lambda text: text.replace('"simulated":false', '"simulated":1.5'))),
    "no JSON": ("malformed_event", raw(lambda text: text[:-1])),
    "no event": ("malformed_event", raw(lambda text: "[]")),
    "type unknown": (
        "event_type_unknown",
        event("entity.observed", lambda e: e.update(type="trueup.x.v1"), type="trueup.x.v1"),
    ),
    "another's": ("forbidden_stream", event("entity.observed", lambda e: e.update(source="differ"), source="differ")),
    "another's stream": (
        "forbidden_stream",
        event("entity.observed", lambda e: e.update(subject="gap/x/y/1"), stream="gap/x/y/1"),
    ),
    "data": ("data_malformed", event("entity.observed", lambda e: e["data"].pop("feed"))),
    "id twice": ("id_twice", an_id_twice),
    "version twice": ("version_twice", a_version_twice),
    "version skipped": ("version_break", column("version", 9)),
    "versions exchanged": ("version_break", versions_exchanged),
    "no such cause": ("cause_missing", event("gap.opened", lambda e: e.update(causationid="0" * 32))),
    "later cause": ("cause_later", a_later_cause),
    "decision": ("signature_invalid", event("approval.given", lambda e: e["data"]["decision"].update(comment="!"))),
    "unsigned": ("signature_missing", event("approval.given", lambda e: e.pop("signature"))),
    "nobody": (
        "person_unknown",
        event("approval.given", lambda e: e["data"]["decision"].update(person="n.body")),
    ),
    "executor's": ("service_signature_invalid", event("action.succeeded", lambda e: e["data"].update(step=7))),
    "executor's unsigned": ("service_signature_missing", event("action.succeeded", lambda e: e.pop("signature"))),
}


@pytest.mark.parametrize("thing", THINGS)
async def test_what_a_superuser_altered_is_found(
    database: Realm, superuser: Superuser, trust: Trust, thing: str
) -> None:
    code, alter = THINGS[thing]
    position = await alter(superuser)
    report = await checked(database, trust)
    assert (code, position) in {(finding.reason_code, finding.position) for finding in report.findings}
    assert not report.sound


async def test_more_findings_than_are_listed_are_counted(
    database: Realm, superuser: Superuser, trust: Trust, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fsck_module, "LISTED", 3)
    await superuser.connection.execute("UPDATE ledger.events SET recorded_at = '2001-01-01'")
    report = await checked(database, trust)
    assert len(report.findings) == 3
    assert report.counts == {"time_out_of_bounds": len(superuser.walk.ledger)}


@pytest.fixture
def options(database: Realm, tmp_path: Path) -> Iterator[list[str]]:
    """The command's own, for a realm that is not a stack of this folder."""
    write_directory(tmp_path / "directory.json", directory(database.name))
    service_keys.write(tmp_path, "auditor", database.name)
    yield [
        *("ledger", "fsck", "--json", "--database", database.url("reader")),
        *("--directory", str(tmp_path / "directory.json"), "--service-keys", str(tmp_path / "service-keys.json")),
    ]


async def test_the_command_says_it_by_its_exit_code(superuser: Superuser, options: list[str]) -> None:
    sound = await _run(options)
    assert sound[0] == 0 and json.loads(sound[1])["sound"] is True
    assert json.loads(sound[1])["signatures_checked"] == {"people": True, "services": True}
    position = await deleted(superuser)
    broken = await _run(options)
    finding = json.loads(broken[1])["findings"][0]
    assert broken[0] == 1 and finding["reason_code"] == "positions_missing" and finding["position"] == position
    away = await _run([*options, "--database", "postgresql://127.0.0.1:1/nothing"])
    assert away[0] == 2 and json.loads(away[1])["error"] == "database_unreachable"


async def test_the_command_shows_what_was_not_checked(superuser: Superuser, database: Realm) -> None:
    code, said = await _run(["ledger", "fsck", "--database", database.url("reader")])
    assert code == 0 and "SOUND" in said
    assert "Not checked: people's signatures (--directory FILE); services' signatures" in " ".join(said.split())


async def _run(arguments: list[str]) -> tuple[int, str]:
    """The command in a thread of its own: it brings its own event loop."""
    result = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    return result.exit_code, result.stdout
