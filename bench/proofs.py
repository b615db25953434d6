"""How long somebody waits for the proof of one event, in a log of ten million.

The tiles are where the auditor keeps them, in PostgreSQL, and the proof comes as it is served, over HTTP, in the
loop that services run in, to a person who is signed in and whose client is in the same process. Of former proofs
nothing is kept in memory but the nodes of tiles above the leaves' own (`transparency.tiles`). The leaves are random
hashes, and all tiles over them are the real ones, written by COPY. Each proof is read and verified as its receiver
would; that is not in the time. Reference: the signed checkpoint from the same server, which costs one row.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx
import uvicorn
from auditor.adapters.ledger_rows import StoredRows
from auditor.adapters.log_book import LogTables
from auditor.adapters.log_reading import StoredLog
from auditor.api.log import log_router
from cli.stack.ports import free_port
from common.clock import wall_now
from common.directory import Directory, Person
from common.http_auth import LEAST_SECRET_BYTES, Bearer, Tokens
from common.runtime import loop_factory, no_leftovers
from fastapi import FastAPI
from transparency import merkle, notes, tiles
from transparency.checkpoints import Checkpoint
from transparency.notes import SigningKey
from transparency.policies import Policy
from transparency.proofs import Proof
from transparency.tiles import WIDTH, Tile, TiledTree

from bench.realms import fresh_folder, fresh_realm

LEAVES = 10_000_000
ASKED = 1_000
KEY = SigningKey("trueup/bench", bytes(32))
SOMEBODY = Person(id="e.weber", name="E. Weber", roles=(), key="")
TOKENS = Tokens(bytes(LEAST_SECRET_BYTES), "bench")
POLICY = Policy.parse(f"log {KEY.verifier.encode()}\nquorum none\n".encode())
_COLUMNS = ("level", "n", "width", "hashes")
Row = tuple[int, int, int, bytes]


def measure() -> list[dict[str, Any]]:
    """The figures in the form of `bench.json`."""
    loop = asyncio.Runner(loop_factory=loop_factory())
    with fresh_folder() as folder, fresh_realm(folder) as realm, loop as runner:
        return runner.run(inclusion_proof(realm.url("auditor"), LEAVES))


async def inclusion_proof(auditor_url: str, leaves: int) -> list[dict[str, Any]]:
    """`inclusion_proof_ms` (median) and `inclusion_proof_p99_ms`. `auditor_url` logs in to a realm without a log."""
    async with asyncpg.create_pool(auditor_url, min_size=1, max_size=2, reset=no_leftovers) as pool:
        async with pool.acquire() as conn:
            bottom = await _fill(conn, leaves)
        async with _serving(pool) as client:
            proofs = await _asked(client, leaves, bottom)
            bare = [await _timed(client, "/log/checkpoint") for _ in range(ASKED)]
    ours, theirs = (sorted(1_000 * seconds for seconds in one) for one in (proofs, [took for took, _ in bare]))
    return [_figure("inclusion_proof_ms", 50, ours, theirs), _figure("inclusion_proof_p99_ms", 99, ours, theirs)]


async def _fill(conn: Any, leaves: int) -> list[bytes]:
    """Store the tree and its checkpoint; the tiles of the leaves themselves are returned, too."""
    bottom = [os.urandom(32 * min(WIDTH, leaves - first)) for first in range(0, leaves, WIDTH)]
    level, above = 0, bottom
    held: dict[Tile, bytes] = {}
    while above:
        rows = [(level, n, len(hashes) // 32, hashes) for n, hashes in enumerate(above)]
        await conn.copy_records_to_table("tiles", schema_name="auditor", records=rows, columns=_COLUMNS)
        held |= {Tile(*row[:3]): row[3] for row in rows}
        roots = b"".join(_roots(above))
        above = [roots[at : at + 32 * WIDTH] for at in range(0, len(roots), 32 * WIDTH)]
        level += 1
    tree = TiledTree(tiles.Tiles(held), leaves)
    note = notes.sign(Checkpoint(KEY.name, leaves, merkle.root_of(tree, leaves)).text, KEY)
    await conn.execute(
        "INSERT INTO auditor.checkpoints (size, former, note, sealed_at, cosigned) VALUES ($1, 0, $2, $3, true)",
        leaves,
        note,
        datetime.now(UTC),
    )
    await conn.execute("ANALYZE auditor.tiles")
    return bottom


def _roots(above: list[bytes]) -> Iterator[bytes]:
    """Of each full tile: the hash one tile higher."""
    for hashes in above:
        row = [hashes[at : at + 32] for at in range(0, len(hashes), 32)]
        if len(row) == WIDTH:
            while len(row) > 1:
                row = merkle.parents(row)
            yield row[0]


@contextlib.asynccontextmanager
async def _serving(pool: Any) -> AsyncIterator[httpx.AsyncClient]:
    """The auditor's own routes over its own reading, on a port of this machine."""
    app, port = FastAPI(), free_port()
    reading = StoredLog(pool, StoredRows(), LogTables(), KEY, POLICY, lambda _: [], list)
    app.include_router(log_router(reading, Bearer(TOKENS, lambda: Directory.of("bench", [SOMEBODY]))))
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    running = asyncio.create_task(server.serve())
    try:
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        signed_in = {"authorization": f"Bearer {TOKENS.issue(SOMEBODY.id, wall_now())[0]}"}
        address = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=address, headers=signed_in, trust_env=False) as client:
            yield client
    finally:
        server.should_exit = True
        await running


async def _asked(client: httpx.AsyncClient, leaves: int, bottom: list[bytes]) -> list[float]:
    """The seconds that each of `ASKED` proofs took, all of which hold."""
    places = [random.randrange(leaves) for _ in range(ASKED)]  # noqa: S311 - which ones is no secret
    taken = []
    for at in places:
        took, answer = await _timed(client, f"/v1/proofs?position={at}")
        taken.append(took)
        proof = Proof.parse(answer.json()["proofs"][0]["proof"].encode())
        head = POLICY.accept(proof.checkpoint).checkpoint
        leaf = bottom[at // WIDTH][32 * (at % WIDTH) :][:32]
        merkle.verify_inclusion(leaf, at, head.size, head.root, proof.hashes)
    return taken


async def _timed(client: httpx.AsyncClient, path: str) -> tuple[float, httpx.Response]:
    start = time.perf_counter()
    answer = await client.get(path)
    took = time.perf_counter() - start
    assert answer.status_code == 200, answer.text
    return took, answer


def _figure(name: str, part: int, ours: list[float], theirs: list[float]) -> dict[str, Any]:
    value, reference = (statistics.quantiles(one, n=100)[part - 1] for one in (ours, theirs))
    return {
        "name": name,
        "value": round(value, 3),
        "unit": "ms",
        "reference": round(reference, 3),
        "ratio": round(value / reference, 3),
        "reference_name": "the signed checkpoint from the same server",
    }


if __name__ == "__main__":
    print(measure())
