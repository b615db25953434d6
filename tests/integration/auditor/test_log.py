"""The transparency log: sealed by the auditor's own process, checked with nothing but what it serves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from cli.stack.realm import Realm
from support.log_room import HttpTiles, LogRoom
from transparency.entries import parse_bundle
from transparency.merkle import leaf_hash, prove_consistency, root, root_of, verify_consistency
from transparency.proofs import Proof
from transparency.tiles import TiledTree

pytestmark = pytest.mark.integration


@pytest.fixture
async def log(fresh: Realm, tmp_path: Path) -> AsyncIterator[LogRoom]:
    room = LogRoom(fresh, tmp_path)
    yield room
    await asyncio.to_thread(room.auditor.end)


async def test_what_is_sealed_is_proven_by_what_is_served(log: LogRoom) -> None:
    await log.add(300)
    log.start()
    await log.published(300)
    answer = await log.get("/log/checkpoint")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    first = log.policy.accept(answer.content).checkpoint
    events = await log.events()
    tree = TiledTree(HttpTiles(log.url), first.size)
    assert (first.origin, first.size) == (f"trueup/{log.realm.name}", 300)
    assert first.root == await asyncio.to_thread(root_of, tree, 300) == root([leaf_hash(event) for event in events])

    await log.add(5, "planner")
    await log.published(305)
    second = log.policy.accept((await log.get("/log/checkpoint")).content).checkpoint
    grown = TiledTree(HttpTiles(log.url), second.size)
    proof = await asyncio.to_thread(prove_consistency, grown, 300, 305)
    verify_consistency(300, first.root, 305, second.root, proof)

    answer = await log.get("/v1/proofs?position=304&position=0&position=299", signed_in=True)
    found = answer.json()
    assert (found["origin"], found["size"]) == (first.origin, 305)
    assert [line["position"] for line in found["proofs"]] == [0, 299, 304]
    for line in found["proofs"]:
        exact = (await log.get(f"/v1/events?position={line['position']}", signed_in=True)).json()["events"][0][
            "event"
        ]
        Proof.parse(line["proof"].encode()).verify(exact.encode(), log.policy)


async def test_tiles_are_for_everybody_and_events_for_people_who_are_signed_in(log: LogRoom) -> None:
    await log.add(260)
    log.start()
    await log.sealed(260)
    tile = await log.get("/log/tile/0/000")
    assert tile.headers["content-type"] == "application/octet-stream"
    assert tile.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert (await log.get("/log/tile/0/000.p/7")).content == tile.content[: 7 * 32]
    assert len((await log.get("/log/tile/0/001.p/4")).content) == 4 * 32
    assert (await log.get("/log/tile/1/000.p/1")).status_code == 200
    for path in ("0/001", "0/001.p/5", "1/000.p/2", "0/000.p/256", "0/0", "0/x000/000", "..%2Fcheckpoint", "64/000"):
        answer = await log.get(f"/log/tile/{path}")
        assert (answer.status_code, answer.json()["reason_code"]) == (404, "not_found"), path
    for path in ("/log/tile/entries/000", "/log/tile/entries32/000", "/v1/proofs?position=0"):
        assert (await log.get(path)).json()["reason_code"] == "token_missing"
    events = await log.events()
    for kind in ("entries", "entries32"):
        answer = await log.get(f"/log/tile/{kind}/001.p/4", signed_in=True)
        assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
        assert parse_bundle(kind, answer.content, 4) == events[256:]
        assert (await log.get(f"/log/tile/{kind}/001.p/5", signed_in=True)).status_code == 404
    for question in ("position=260", "position=0&position=900"):
        answer = await log.get(f"/v1/proofs?{question}", signed_in=True)
        assert (answer.status_code, answer.json()["reason_code"]) == (409, "not_sealed_yet")
    assert (await log.get("/v1/proofs", signed_in=True)).status_code == 422
    many = "&".join(["position=0"] * 501)
    assert (await log.get(f"/v1/proofs?{many}", signed_in=True)).status_code == 422


async def test_the_standing_is_told_as_json_as_metrics_and_as_a_page(log: LogRoom) -> None:
    log.witnessed_by(quorum="none")
    log.start()
    empty = await log.until_log(lambda found: True)
    assert (empty["events"], empty["sealed"], empty["cosigned"], empty["sealed_at"]) == (0, 0, 0, None)
    assert (await log.get("/log/checkpoint")).json()["reason_code"] == "not_found"
    await log.add(3)
    await log.published(3)
    text = (await log.get("/metrics")).text
    assert {"trueup_log_events 3.0", "trueup_log_sealed_size 3.0", "trueup_log_cosigned_size 3.0"} <= set(
        text.splitlines()
    )
    assert "trueup_log_seconds_since_seal" in text
    page = await log.get("/log")
    assert "The policy names none" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("failpoint", ["auditor.checkpoint_written", "auditor.checkpoint_committed"])
async def test_a_sealer_that_is_killed_goes_on_where_it_was(log: LogRoom, failpoint: str) -> None:
    await log.add(300)
    log.start(f"{failpoint}=1")
    assert await log.auditor.death() == -9
    await log.add(10)
    log.start()
    await log.sealed(310)
    events = await log.events()
    assert root_of(TiledTree(await _tiles(log, 310), 310), 310) == root([leaf_hash(event) for event in events])
    connection = await asyncpg.connect(log.realm.admin_url)
    try:
        sizes = [row[0] for row in await connection.fetch("SELECT size FROM auditor.checkpoints ORDER BY size")]
    finally:
        await connection.close()
    assert sizes == ([310] if failpoint.endswith("written") else [300, 310])


async def _tiles(log: LogRoom, size: int) -> HttpTiles:
    assert (await log.get(f"/log/tile/0/{size // 256:03}.p/{size % 256}")).status_code == 200
    return HttpTiles(log.url)


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE ledger.events SET event = replace(event, '\"data\":{}', '\"data\":{\"x\":1}') WHERE position = 7",
         "sealed_event_changed"),
        ("DELETE FROM ledger.events WHERE position = 8", "sealed_event_changed"),
        ("DELETE FROM ledger.events WHERE position > 5; UPDATE ledger.head SET position = 5", "ledger_behind_log"),
        ("UPDATE auditor.tiles SET hashes = set_byte(hashes, 40, 255 - get_byte(hashes, 40))", "tiles_inconsistent"),
        ("DELETE FROM auditor.tiles", "tiles_inconsistent"),
        ("UPDATE auditor.checkpoints SET note = set_byte(note, 3, 64)", "checkpoint_unverified"),
        ("UPDATE auditor.checkpoints SET size = 8", "checkpoint_unverified"),
    ],
)  # fmt: skip
async def test_a_sealer_does_not_go_on_from_what_it_has_not_signed(log: LogRoom, statement: str, code: str) -> None:
    await log.add(10)
    log.start()
    await log.sealed(10)
    await asyncio.to_thread(log.auditor.end)
    await tamper(log, statement)
    log.start()
    await log.problem(code)
    assert (await log.get("/readyz")).status_code == 503
    assert code in (await log.get("/log")).text
    await tamper(log, "SELECT 1")
    assert await newest(log) in (8, 10)


@pytest.mark.parametrize("position", [303 - 256, 238])
async def test_at_a_start_the_newest_256_events_are_those_that_were_sealed(log: LogRoom, position: int) -> None:
    await log.add(303)
    log.start()
    await log.sealed(303)
    log.auditor.end(kill=True)
    changed = f"UPDATE ledger.events SET event = replace(event, 'T', 't') WHERE position = {position}"
    await tamper(log, changed)
    log.start()
    await log.problem("sealed_event_changed")


async def tamper(log: LogRoom, statement: str) -> None:
    connection = await asyncpg.connect(log.realm.admin_url)
    try:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute("ALTER TABLE ledger.events DISABLE TRIGGER append_only")
        await connection.execute(statement)
        await connection.execute("ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER append_only")
    finally:
        await connection.close()


async def newest(log: LogRoom) -> int:
    connection = await asyncpg.connect(log.realm.admin_url)
    try:
        return int(await connection.fetchval("SELECT max(size) FROM auditor.checkpoints"))
    finally:
        await connection.close()


async def test_a_copied_column_that_disagrees_stops_sealing_with_position_and_writer(log: LogRoom) -> None:
    await log.add(3)
    await log.add(2, "planner")
    await tamper(log, "UPDATE ledger.events SET type = 'trueup.gap.opened.v1' WHERE position = 4")
    log.start()
    await log.problem("row_disagrees", "position 4, written by planner", "the column type")
    assert (await log.standing())["sealed"] == 0


async def test_a_log_that_changes_under_a_running_sealer_is_not_continued(log: LogRoom) -> None:
    await log.add(10)
    log.start()
    await log.sealed(10)
    await tamper(log, "DELETE FROM auditor.checkpoints")
    await log.problem("checkpoint_changed")


async def test_without_a_usable_key_or_policy_the_auditor_does_not_start(log: LogRoom) -> None:
    key, policy = log.folder / "log.key", log.folder / "log.policy"
    good, trusted = key.read_text(), policy.read_text()
    for code, secret, mode, text in (
        ("log_key_exposed", good, 0o644, trusted),
        ("log_key_invalid", "PRIVATE+KEY+nonsense", 0o600, trusted),
        ("log_policy_invalid", good, 0o600, "quorum"),
        ("log_policy_foreign", good, 0o600, "quorum none\n"),
    ):
        key.write_text(secret)
        key.chmod(mode)
        policy.write_text(text)
        log.start()
        assert await log.auditor.death() == 2
        assert code in log.auditor.words()
        assert good.strip().rsplit("+", 1)[1] not in log.auditor.words()
