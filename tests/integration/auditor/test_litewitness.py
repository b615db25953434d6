"""A witness that others wrote, `litewitness`, cosigns a running log and refuses a fork of it.

Needs go (it fetches and builds the program; set `TRUEUP_LITEWITNESS` to one that is built already) and ssh-agent.
"""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from cli.stack.ports import free_port
from cli.stack.realm import Realm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from support.log_room import LogRoom, Running, answers, rewrite
from support.processes import until
from transparency.checkpoints import Checkpoint
from transparency.cosignatures import WitnessKey
from transparency.merkle import EMPTY_ROOT, leaf_hashes, root
from transparency.notes import sign
from transparency.witnessing import AddCheckpoint

pytestmark = pytest.mark.integration
MODULE = "filippo.io/torchwood/cmd/litewitness@v0.9.0"
NAME = "witness.example/lite"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if given := os.environ.get("TRUEUP_LITEWITNESS"):
        return Path(given)
    go = shutil.which("go")
    if go is None:
        pytest.skip("go is not installed here, so litewitness could not be built")
    folder = tmp_path_factory.mktemp("litewitness")
    environment = {**os.environ, "GOBIN": str(folder), "GOFLAGS": "-modcacherw"}
    built = subprocess.run(
        [go, "install", MODULE], env=environment, check=False, capture_output=True, text=True, timeout=280
    )
    if built.returncode:
        pytest.skip(f"go could not fetch litewitness: {built.stderr.strip()[-200:]}")
    return folder / "litewitness"


@pytest.fixture
def agent() -> Iterator[tuple[Path, bytes]]:
    """A private ssh-agent that holds a new key: its socket, and the public key. Socket paths must be short."""
    found = shutil.which("ssh-agent"), shutil.which("ssh-add")
    if None in found:
        pytest.skip("ssh-agent and ssh-add are not installed here, so litewitness has no key")
    folder = Path(tempfile.mkdtemp(prefix="lw-"))
    process = subprocess.Popen([str(found[0]), "-D", "-a", str(folder / "s")], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while not (folder / "s").exists():
            assert time.monotonic() < deadline, "ssh-agent did not start"
            time.sleep(0.05)
        key = Ed25519PrivateKey.generate()
        file = folder / "key"
        file.touch(mode=0o600)
        file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        environment = {**os.environ, "SSH_AUTH_SOCK": str(folder / "s")}
        subprocess.run([str(found[1]), str(file)], env=environment, check=True, capture_output=True)
        yield folder / "s", key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder)


class LiteWitness(Running):
    """`litewitness` over a database of its own."""

    def __init__(self, program: Path, agent: tuple[Path, bytes], folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.database = folder / "lite.db"
        self.key = WitnessKey(NAME, agent[1])
        kind = b"ssh-ed25519"
        blob = len(kind).to_bytes(4, "big") + kind + len(agent[1]).to_bytes(4, "big") + agent[1]
        print_ = "SHA256:" + base64.b64encode(sha256(blob).digest()).decode().rstrip("=")
        super().__init__(
            [
                str(program), "-db", str(self.database), "-name", NAME, "-key", print_,
                "-ssh-agent", str(agent[0]), "-listen", f"127.0.0.1:{self.port}",
            ],
            folder / "lite.log",
        )  # fmt: skip

    async def ready(self) -> None:
        await until(lambda: answers(f"{self.url}/"), self.words)

    def knows(self, log: LogRoom) -> None:
        """Register the log, by rows."""
        connection = sqlite3.connect(self.database, timeout=10)
        empty = base64.b64encode(EMPTY_ROOT).decode()
        connection.execute("INSERT INTO log (origin, tree_size, tree_hash) VALUES (?, 0, ?)", (log.key.name, empty))
        connection.execute("INSERT INTO key (origin, key) VALUES (?, ?)", (log.key.name, log.key.verifier.encode()))
        connection.commit()
        connection.close()


@pytest.fixture
async def log(fresh: Realm, tmp_path: Path) -> AsyncIterator[LogRoom]:
    room = LogRoom(fresh, tmp_path)
    yield room
    await asyncio.to_thread(room.auditor.end)


async def test_litewitness_cosigns_a_running_log_and_refuses_its_fork(
    program: Path, agent: tuple[Path, bytes], log: LogRoom
) -> None:
    lite = LiteWitness(program, agent, log.folder)
    lite.start()
    try:
        await lite.ready()
        lite.knows(log)
        log.witnessed_by(f"witness lite {lite.key.encode()} {lite.url}", quorum="lite")
        await log.add(9)
        log.start()
        await log.published(9)
        await log.add(300)
        await log.published(309)
        assert log.policy.accept((await log.get("/log/checkpoint")).content).witnesses == ("lite",)

        await asyncio.to_thread(log.auditor.end)
        await rewrite(log.realm.admin_url, log.key, 3, '"data":{}', '"data":{"was":"never"}')
        leaves = leaf_hashes(await log.events())
        forged = sign(Checkpoint(log.key.name, 309, root(leaves)).text, log.key)
        fork = AddCheckpoint.of(309, (), forged)
        refused = httpx.post(f"{lite.url}/add-checkpoint", content=fork.encode(), trust_env=False)
        assert refused.status_code == 422
        await log.add(1)
        log.start()
        await log.problem("log_disputed", "witness lite", "rewritten", "422")
        await log.unsealed_since(309)
    finally:
        await asyncio.to_thread(lite.end)
