"""Clocks that are an hour off: what is sealed and cosigned holds, and goes on when they are right again."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cli.stack.realm import Realm
from support.log_room import HttpTiles, LogRoom, WitnessProcess
from support.skews import HOUR_S, Skew
from transparency.merkle import prove_consistency, verify_consistency
from transparency.tiles import TiledTree

pytestmark = pytest.mark.integration


@pytest.fixture
async def log(fresh: Realm, tmp_path: Path) -> AsyncIterator[LogRoom]:
    room = LogRoom(fresh, tmp_path)
    yield room
    await asyncio.to_thread(room.auditor.end)


def cosigned_at(checkpoint: bytes) -> int:
    """The time in the cosignature, which is the last line: four bytes of key id, then eight of seconds."""
    return int.from_bytes(base64.b64decode(checkpoint.split()[-1])[4:12], "big")


@pytest.mark.parametrize(("who", "seconds"), [("the sealer", HOUR_S), ("the witness", -HOUR_S)])
async def test_a_clock_an_hour_off_spoils_no_checkpoint(
    log: LogRoom, tmp_path: Path, who: str, seconds: float
) -> None:
    skew = Skew(tmp_path / "skew").set(seconds)
    witness = WitnessProcess(log.folder, [log.key.verifier.encode()])
    log.witnessed_by(witness.line, quorum="witness-example-own")
    off = log.auditor if who == "the sealer" else witness
    off.environment |= skew.environment
    witness.start()
    try:
        await witness.ready()
        await log.add(5)
        log.start()
        await log.published(5)
        content = (await log.get("/log/checkpoint")).content
        assert (abs(cosigned_at(content) - time.time()) > HOUR_S / 2) is (who == "the witness")
        first = log.policy.accept(content)
        assert first.witnesses == ("witness-example-own",)
        told = " ".join((await log.get("/readyz")).json()["problems"])
        assert ("clock: time_out_of_bounds" in told) is (who == "the sealer"), told

        skew.set(0)
        await log.add(5)
        await log.published(10)
        second = log.policy.accept((await log.get("/log/checkpoint")).content)
        assert second.witnesses == ("witness-example-own",)
        proof = await asyncio.to_thread(prove_consistency, TiledTree(HttpTiles(log.url), 10), 5, 10)
        verify_consistency(5, first.checkpoint.root, 10, second.checkpoint.root, proof)
        assert "clock:" not in (await log.get("/readyz")).text
    finally:
        await asyncio.to_thread(witness.end)
