"""One service as a process of its own, on a realm's database and broker, to be killed and started again."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.stack.realm import Realm
from common.service_keys import SIGNERS

from support import service_keys
from support.ground import Ground
from support.office import write_directory
from support.walk import directory

PATIENCE_S = 30.0


@dataclass
class ServiceProcess:
    """`python -m <name>.main` with the environment of `ground`'s realm. Start it as often as you like."""

    name: str
    ground: Ground
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self, failpoints: str = "") -> ServiceProcess:
        log = (self.folder / f"{self.name}.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"{self.name}.main"],
            env={**os.environ, **self._environment(), "TRUEUP_FAILPOINTS": failpoints, **self.environment},
            stdout=log,
            stderr=log,
            cwd=self.folder,
        )
        return self

    def _environment(self) -> dict[str, str]:
        realm: Realm = self.ground.realm
        assert realm.bus is not None
        write_directory(self.folder / "directory.json", directory(realm.name))
        (self.folder / "targets.json").write_text(json.dumps({"ticketing": self.ground.target}))
        given = {
            "TRUEUP_REALM": realm.name,
            "TRUEUP_DATABASE_URL": realm.url(self.name),
            "TRUEUP_BROKERS": realm.bus.address,
            "TRUEUP_DIRECTORY": str(self.folder / "directory.json"),
            "TRUEUP_TARGETS": str(self.folder / "targets.json"),
            "TRUEUP_HTTP_PORT": "0",
            "TRUEUP_LEASE_S": "1",
        }
        if self.name in SIGNERS:
            files = service_keys.write(self.folder, self.name, realm.name)
            given |= {f"TRUEUP_{name.upper()}": str(path) for name, path in files.items()}
        login = realm.bus.credentials(self.name)
        if login is not None:
            given |= {"TRUEUP_KAFKA_USER": login.user, "TRUEUP_KAFKA_PASSWORD": login.password}
        return given

    async def death(self) -> int:
        """Wait until the process has ended by itself; its return code (negative: the signal)."""
        process = self.process
        assert process is not None
        await until(lambda: _is(process.poll() is not None), self.log)
        return process.returncode

    def log(self) -> str:
        path = self.folder / f"{self.name}.log"
        return path.read_text(errors="replace")[-4000:] if path.exists() else ""

    def stop(self) -> None:
        """End the process, if it runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)


async def _is(value: Any) -> Any:
    return value


async def until(ask: Callable[[], Awaitable[Any]], told: Callable[[], str] = str) -> Any:
    """What `ask` answers, as soon as it is true; fails with what `told` says when that takes too long."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_S
    while not (answer := await ask()):
        assert loop.time() < deadline, f"it did not come true in {PATIENCE_S:.0f} s\n{told()}"
        await asyncio.sleep(0.05)
    return answer
