"""An auditor's process that seals, witnesses as processes, and an administrator with bad intentions."""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from cli.stack.development import provide_log
from cli.stack.ports import free_port
from cli.stack.realm import Realm, database_name
from common.clock import wall_now
from common.http_auth import Tokens
from common.ledger import Appended, NewEvent, append
from transparency import merkle, tiles
from transparency.checkpoints import Checkpoint
from transparency.notes import SigningKey, sign
from transparency.policies import Policy
from transparency.tiles import Tile, TiledTree, Tiles

from support import service_keys
from support.ledgers import an_event
from support.office import write_directory
from support.processes import PATIENCE_S, until
from support.walk import directory


@dataclass
class Running:
    """A process with its log."""

    command: list[str]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self, **more: str) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env={**os.environ, **self.environment, **more},
                stdout=log,
                stderr=log,
                cwd=self.log.parent,
            )

    def end(self, *, kill: bool = False) -> int | None:
        """SIGTERM, or SIGKILL; its return code, None when it did not run."""
        process, self.process = self.process, None
        if process is None:
            return None
        if process.poll() is None:
            process.kill() if kill else process.terminate()
        try:
            return process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait(5)

    def words(self) -> str:
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else ""

    async def death(self) -> int:
        """Its return code, once it has ended by itself."""
        process = self.process
        assert process is not None

        async def ended() -> bool:
            return process.poll() is not None

        await until(ended, self.words)
        self.process = None
        return process.returncode


class WitnessProcess(Running):
    """`trueup witness` over a folder of its own, knowing `logs`."""

    def __init__(self, folder: Path, logs: list[str], name: str = "witness.example/own") -> None:
        self.folder = folder / name.replace("/", "-")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        trueup = [sys.executable, "-m", "cli.main", "witness"]
        where = ["--data", str(self.folder)]
        made = subprocess.run(
            [*trueup, "init", "--name", name, "--url", self.url, *where], check=True, capture_output=True, text=True
        )
        self.line = next(line for line in made.stdout.splitlines() if line.startswith("policy: ")).split(" ", 1)[1]
        with (self.folder / "logs").open("a") as known:
            known.writelines(f"{log}\n" for log in logs)
        super().__init__([*trueup, "run", "--port", str(self.port), *where], folder / f"{self.folder.name}.log")

    async def ready(self) -> None:
        await until(lambda: answers(f"{self.url}/healthz"), self.words)


async def answers(url: str) -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            return (await client.get(url)).status_code == 200
        except httpx.TransportError:
            return False


class LogRoom:
    """One realm's auditor as a process; there is no bus, which sealing does not need."""

    def __init__(self, realm: Realm, folder: Path) -> None:
        self.realm, self.folder, self.port = realm, folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        provide_log(folder, realm.name)
        self.key = SigningKey.parse((folder / "log.key").read_text().strip())
        self.secret = secrets.token_bytes(48).hex().encode()
        (folder / "issuer.key").write_bytes(self.secret)
        write_directory(folder / "directory.json", directory(realm.name))
        self.token, _ = Tokens(self.secret, realm.name).issue("r.osei", wall_now())
        signing = service_keys.write(folder, "auditor", realm.name)
        self.auditor = Running(
            [sys.executable, "-m", "auditor.main"],
            folder / "auditor.log",
            {
                "TRUEUP_REALM": realm.name,
                "TRUEUP_DATABASE_URL": realm.url("auditor"),
                "TRUEUP_BROKERS": "127.0.0.1:1",
                "TRUEUP_HTTP_PORT": str(self.port),
                "TRUEUP_DIRECTORY": str(folder / "directory.json"),
                "TRUEUP_ISSUER_KEY": str(folder / "issuer.key"),
                "TRUEUP_LOG_KEY": str(folder / "log.key"),
                "TRUEUP_LOG_POLICY": str(folder / "log.policy"),
                **{f"TRUEUP_{name.upper()}": str(path) for name, path in signing.items()},
            },
        )

    @property
    def policy(self) -> Policy:
        return Policy.parse((self.folder / "log.policy").read_bytes())

    def witnessed_by(self, *lines: str, quorum: str) -> None:
        """The policy has these lines; takes effect at the next start."""
        text = "\n".join([f"log {self.key.verifier.encode()}", *lines, f"quorum {quorum}", ""])
        (self.folder / "log.policy").write_text(text)

    def start(self, failpoints: str = "") -> None:
        self.auditor.start(TRUEUP_FAILPOINTS=failpoints)

    async def restart(self) -> None:
        await asyncio.to_thread(self.auditor.end)
        self.start()

    async def add(self, count: int, service: str = "observer") -> None:
        """Append so many events."""
        connection: Any = await asyncpg.connect(self.realm.url(service))
        try:
            done = await append(connection, [[NewEvent(an_event(service))] for _ in range(count)])
            assert all(isinstance(one, Appended) for one in done)
        finally:
            await connection.close()

    async def events(self) -> list[bytes]:
        connection: Any = await asyncpg.connect(self.realm.admin_url)
        try:
            rows = await connection.fetch("SELECT event FROM ledger.events ORDER BY position")
            return [row[0].encode() for row in rows]
        finally:
            await connection.close()

    async def get(self, path: str, *, signed_in: bool = False) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.token}"} if signed_in else {}
        async with httpx.AsyncClient(
            base_url=self.url, headers=headers, trust_env=False, timeout=PATIENCE_S
        ) as client:
            return await client.get(path)

    async def standing(self) -> dict[str, Any]:
        """`/v1/log`, empty while there is no answer."""
        try:
            answer = await self.get("/v1/log")
        except httpx.TransportError:
            return {}
        found: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
        return found

    async def until_log(self, wanted: Any) -> dict[str, Any]:
        """The log's standing, as soon as `wanted` says yes to it."""
        found: dict[str, Any] = {}

        async def look() -> bool:
            nonlocal found
            found = await self.standing()
            return bool(found) and bool(wanted(found))

        await until(look, lambda: f"{found}\n{self.auditor.words()}")
        return found

    async def unsealed_since(self, size: int) -> None:
        """Nothing beyond `size` is sealed, unless a busy machine kept the witness from answering at the start: an
        auditor waits for those that can be reached, and for no other."""
        now = (await self.standing())["sealed"]
        assert now == size or "witness_unreachable" in self.auditor.words(), (now, size)

    async def sealed(self, size: int) -> dict[str, Any]:
        return await self.until_log(lambda log: log["sealed"] == size)

    async def published(self, size: int) -> dict[str, Any]:
        return await self.until_log(lambda log: log["cosigned"] == size)

    async def problem(self, *words: str) -> dict[str, Any]:
        """The log's standing, as soon as its problems have all these words."""
        return await self.until_log(lambda log: all(word in " ".join(log["problems"]) for word in words))


class HttpTiles:
    """A `TileReader` over HTTP alone."""

    def __init__(self, url: str) -> None:
        self._url = url

    def read_tile(self, tile: Tile) -> bytes:
        answer = httpx.get(f"{self._url}/log/{tile.path}", trust_env=False, timeout=PATIENCE_S)
        assert answer.status_code == 200, (tile.path, answer.text)
        return answer.content


async def rewrite(admin_url: str, key: SigningKey, position: int, old: str, new: str) -> None:
    """What a superuser does who wants another past and has stolen the log's key: take the triggers off, change an
    event, compute tiles and checkpoint again, put the triggers back."""
    connection: Any = await asyncpg.connect(admin_url)
    try:
        async with connection.transaction():
            await connection.execute("ALTER TABLE ledger.events DISABLE TRIGGER append_only")
            done = await connection.execute(
                "UPDATE ledger.events SET event = replace(event, $2, $3) WHERE position = $1", position, old, new
            )
            assert done == "UPDATE 1"
            await connection.execute("ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER append_only")
            size = await connection.fetchval("SELECT max(size) FROM auditor.checkpoints")
            rows = await connection.fetch(
                "SELECT event FROM ledger.events WHERE position < $1 ORDER BY position", size
            )
            await _forge_log(connection, key, [row[0].encode() for row in rows])
    finally:
        await connection.close()


async def _forge_log(connection: Any, key: SigningKey, events: list[bytes]) -> None:
    made = tiles.grow(Tiles({}), 0, merkle.leaf_hashes(events))
    root = merkle.root_of(TiledTree(Tiles(made), len(events)), len(events))
    note = sign(Checkpoint(key.name, len(events), root).text, key)
    await connection.execute("TRUNCATE auditor.tiles, auditor.checkpoints")
    await connection.executemany(
        "INSERT INTO auditor.tiles (level, n, width, hashes) VALUES ($1, $2, $3, $4)",
        [(tile.level, tile.index, tile.width, held) for tile, held in made.items()],
    )
    await connection.execute(
        "INSERT INTO auditor.checkpoints (size, former, note, sealed_at, cosigned) VALUES ($1, 0, $2, $3, true)",
        len(events),
        note,
        datetime.now(UTC),
    )


async def backup(realm: Realm, name: str) -> None:
    """Copy the realm's database, to which nobody may be connected."""
    await _on_server(realm, f'CREATE DATABASE "{name}" TEMPLATE "{database_name(realm.name)}"')


async def restore(realm: Realm, name: str) -> None:
    """Put the copy in the database's place."""
    await _on_server(realm, f'DROP DATABASE "{database_name(realm.name)}" WITH (FORCE)')
    await _on_server(realm, f'ALTER DATABASE "{name}" RENAME TO "{database_name(realm.name)}"')


async def _on_server(realm: Realm, statement: str) -> None:
    connection: Any = await asyncpg.connect(realm.server.admin_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
