"""Witnesses: a quorum of real ones publishes, and history that was rewritten or rolled back is noticed."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import asyncpg
import httpx
import pytest
from cli.stack.realm import Realm
from support.log_room import LogRoom, WitnessProcess, backup, restore, rewrite
from support.processes import PATIENCE_S, until
from transparency.merkle import leaf_hash, root
from transparency.policies import Policy
from transparency.proofs import Proof

pytestmark = pytest.mark.integration


@pytest.fixture
async def log(fresh: Realm, tmp_path: Path) -> AsyncIterator[LogRoom]:
    room = LogRoom(fresh, tmp_path)
    yield room
    await asyncio.to_thread(room.auditor.end)


@pytest.fixture
async def witness(log: LogRoom) -> AsyncIterator[WitnessProcess]:
    """A witness that knows the log and that its policy asks for."""
    process = WitnessProcess(log.folder, [log.key.verifier.encode()])
    log.witnessed_by(process.line, quorum="witness-example-own")
    process.start()
    await process.ready()
    yield process
    await asyncio.to_thread(process.end)


def seen(witness: WitnessProcess, origin: str) -> int:
    """The size that the witness remembers."""
    found: int = httpx.get(witness.url, trust_env=False, timeout=PATIENCE_S).json()["logs"][origin]
    return found


async def test_what_is_published_is_cosigned_and_proofs_say_so(log: LogRoom, witness: WitnessProcess) -> None:
    await log.add(20)
    log.start()
    found = await log.published(20)
    assert [(line["state"], line["size"]) for line in found["witnesses"]] == [("cosigning", 20)]
    accepted = log.policy.accept((await log.get("/log/checkpoint")).content)
    assert accepted.witnesses == ("witness-example-own",)
    assert seen(witness, log.key.name) == 20
    answer = (await log.get("/v1/proofs?position=19", signed_in=True)).json()["proofs"][0]
    assert Proof.parse(answer["proof"].encode()).verify((await log.events())[19], log.policy).witnesses
    text = (await log.get("/metrics")).text
    assert 'trueup_log_witness_state{state="cosigning",witness="witness-example-own"} 1.0' in text
    assert 'trueup_log_witness_size{witness="witness-example-own"} 20.0' in text


async def test_a_witness_that_is_away_delays_what_is_published_and_not_what_is_sealed(
    log: LogRoom, witness: WitnessProcess
) -> None:
    await log.add(5)
    log.start()
    await log.published(5)
    assert await asyncio.to_thread(witness.end) == 0, "SIGTERM is a clean end"
    await log.add(5)
    found = await log.until_log(lambda now: now["sealed"] == 10 and now["witnesses"][0]["state"] == "unreachable")
    assert found["cosigned"] == 5
    assert (await log.get("/readyz")).json()["problems"] == [
        problem for problem in (await log.get("/readyz")).json()["problems"] if problem.startswith("bus:")
    ], "a witness that is away does not make the auditor not ready"
    witness.start()
    await log.published(10)


async def test_two_of_three_are_a_quorum(log: LogRoom) -> None:
    known = [log.key.verifier.encode()]
    three = [WitnessProcess(log.folder, known, f"witness.example/{number}") for number in (1, 2, 3)]
    names = [one.line.split()[1] for one in three]
    log.witnessed_by(*(one.line for one in three), f"group some 2 {' '.join(names)}", quorum="some")
    try:
        three[0].start()
        await three[0].ready()
        await log.add(4)
        log.start()
        await log.until_log(lambda now: now["sealed"] == 4 and now["witnesses"][0]["state"] == "cosigning")
        assert (await log.standing())["cosigned"] == 0
        assert (await log.get("/log/checkpoint")).status_code == 404
        three[2].start()
        await log.published(4)
        assert log.policy.accept((await log.get("/log/checkpoint")).content).witnesses == (names[0], names[2])
    finally:
        for one in three:
            await asyncio.to_thread(one.end)


async def test_a_killed_auditor_asks_again(log: LogRoom, witness: WitnessProcess) -> None:
    await log.add(6)
    log.start("auditor.cosignature_written=1")
    assert await log.auditor.death() == -9
    assert seen(witness, log.key.name) == 6
    log.start()
    await log.published(6)


async def test_a_killed_witness_remembers_what_it_has_cosigned(log: LogRoom, witness: WitnessProcess) -> None:
    await log.add(6)
    log.start()
    await log.published(6)
    await asyncio.to_thread(lambda: witness.end(kill=True))
    witness.start()
    await witness.ready()
    assert seen(witness, log.key.name) == 6
    await log.add(1)
    await log.published(7)


async def test_history_that_a_superuser_rewrote_with_the_stolen_key_is_an_alarm(
    log: LogRoom, witness: WitnessProcess
) -> None:
    await log.add(12)
    log.start()
    await log.published(12)
    before = (await log.get("/log/checkpoint")).content
    await asyncio.to_thread(log.auditor.end)
    await rewrite(log.realm.admin_url, log.key, 3, '"data":{}', '"data":{"was":"never"}')
    events = await log.events()
    forged = await newest_note(log)
    assert b"never" in events[3]
    assert root([leaf_hash(event) for event in events]) == root_in(log, forged), "the forgery is perfect by itself"
    await log.add(2)
    log.start()
    await log.problem("sealer: log_disputed", "witness-example-own", "rewritten")
    await alarm_shows(log, "rewritten")
    await log.unsealed_since(12)
    assert seen(witness, log.key.name) == 12
    assert root_in(log, before) != root_in(log, forged)
    sealed = (await log.standing())["sealed"]
    await log.add(2)
    await log.restart()
    await log.problem("log_disputed", "rewritten")
    assert (await log.standing())["sealed"] == sealed, "nothing is signed on top of it: the alarm is kept"


async def alarm_shows(log: LogRoom, kind: str) -> None:
    state = 'trueup_log_witness_state{state="alarm",witness="witness-example-own"} 1.0'
    for path, words in (("readyz", "log_disputed"), ("status", "log_disputed"), ("metrics", state), ("log", "ALARM")):
        await until(partial(shows, log, f"/{path}", words), log.auditor.words)
    assert (await log.get("/readyz")).status_code == 503
    connection = await asyncpg.connect(log.realm.admin_url)
    try:
        kept = await connection.fetch("SELECT kind, ended_at FROM auditor.alarms")
    finally:
        await connection.close()
    assert [tuple(row) for row in kept] == [(kind, None)]


async def shows(log: LogRoom, path: str, words: str) -> bool:
    return words in (await log.get(path)).text


async def newest_note(log: LogRoom) -> bytes:
    connection = await asyncpg.connect(log.realm.admin_url)
    try:
        return bytes(await connection.fetchval("SELECT note FROM auditor.checkpoints ORDER BY size DESC LIMIT 1"))
    finally:
        await connection.close()


def root_in(log: LogRoom, note: bytes) -> bytes:
    alone = Policy.parse(f"log {log.key.verifier.encode()}\nquorum none\n".encode())
    return alone.accept(note).checkpoint.root


async def test_a_restored_backup_is_refused_and_the_right_database_ends_the_alarm(
    log: LogRoom, witness: WitnessProcess
) -> None:
    await log.add(5)
    log.start()
    await log.published(5)
    await asyncio.to_thread(log.auditor.end)
    await backup(log.realm, f"{log.realm.name}_old")
    log.start()
    await log.add(5)
    await log.published(10)
    await asyncio.to_thread(log.auditor.end)
    await backup(log.realm, f"{log.realm.name}_right")
    await restore(log.realm, f"{log.realm.name}_old")
    await log.add(2)
    log.start()
    await log.problem("sealer: log_disputed", "rolled back")
    await alarm_shows(log, "rolled_back")
    await log.unsealed_since(5)  # what was sealed there before is not sealed again, with another root
    await asyncio.to_thread(log.auditor.end)
    await restore(log.realm, f"{log.realm.name}_right")
    log.start()
    await log.add(1)
    found = await log.published(11)
    assert found["problems"] == []


async def test_an_alarm_ends_when_the_witness_cosigns_again(log: LogRoom, witness: WitnessProcess) -> None:
    await log.add(5)
    log.start()
    await log.published(5)
    heads = sqlite3.connect(witness.folder / "heads.sqlite")
    heads.execute("UPDATE heads SET size = 50")
    heads.commit()
    await log.add(1)
    await log.problem("log_disputed", "size 50")
    heads.execute("UPDATE heads SET size = 5")
    heads.commit()
    heads.close()
    await log.published(6)
    found = await log.until_log(lambda now: now["problems"] == [])
    assert found["witnesses"][0]["state"] == "cosigning"


class Liar:
    """A witness that gives the same answer to everything."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        return f"http://{host}:{port}"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(self._answer)
        await writer.drain()
        writer.close()


@pytest.mark.parametrize(
    ("answer", "state", "words"),
    [
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", "refusing", "note_invalid"),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + b"x" * 300_000, "refusing", "oversized"),
        (b"HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n<b>who\x07", "refusing", "404: <b>who"),
        (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\nconnection: close\r\n\r\n", "refusing", "302"),
        (b"HTTP/1.1 409 No\r\ncontent-type: text/x.tlog.size\r\nconnection: close\r\n\r\n-1\n", "refusing", "number"),
        (b"HTTP/1.1 409 No\r\ncontent-type: text/x.tlog.size\r\nconnection: close\r\n\r\n3\n", "refusing", "409"),
        (b"garbage\r\n\r\n", "unreachable", "witness_unreachable"),
    ],
)  # fmt: skip
async def test_a_witness_that_answers_badly_is_shown_and_stops_nothing(
    log: LogRoom, answer: bytes, state: str, words: str
) -> None:
    async with Liar(answer) as url:
        line = WitnessProcess(log.folder, []).line.rsplit(" ", 1)[0]
        log.witnessed_by(f"{line} {url}", quorum="none")
        await log.add(4)
        log.start()
        found = await log.until_log(lambda now: now["cosigned"] == 4 and now["witnesses"][0]["state"] == state)
    assert words in found["witnesses"][0]["problem"]
    assert found["problems"] == []


def add_checkpoint(witness: WitnessProcess, body: bytes) -> httpx.Response:
    return httpx.post(f"{witness.url}/add-checkpoint", content=body, trust_env=False, timeout=PATIENCE_S)


async def test_our_witness_refuses_what_it_can_not_read_and_logs_it_does_not_know(log: LogRoom) -> None:
    witness = WitnessProcess(log.folder, [])
    witness.start()
    await witness.ready()
    try:
        assert add_checkpoint(witness, b"").status_code == 400
        assert add_checkpoint(witness, b"old 1\n\nx\n").status_code == 400
        assert add_checkpoint(witness, b"x" * 3_000_000).status_code == 413
        log.witnessed_by(witness.line, quorum="none")
        await log.add(1)
        log.start()
        found = await log.until_log(lambda now: now["sealed"] == 1 and now["witnesses"][0]["state"] == "refusing")
        assert "log_unknown" in found["witnesses"][0]["problem"]
    finally:
        await asyncio.to_thread(witness.end)
