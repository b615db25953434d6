"""What runs in a stack's folder, written for other programs: `trueup status` and `trueup down` read it.

The file is rewritten after every start and stop, so that it also describes a stack that was only half started
when its supervisor died. It names passwords nowhere.
"""

from __future__ import annotations

import fcntl
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import psutil
from common.errors import Refused
from pydantic import BaseModel, ConfigDict, ValidationError

from cli.stack.children import Child
from cli.stack.errors import StackError

STACKS = Path(".trueup")
"""The folder of stacks below which commands look for the one that is meant: each in a folder of its own."""
FILE = "state.json"


class ProcessState(BaseModel):
    """One process: `pid` alone may be reused, pid and start time (seconds since 1970) are not."""

    model_config = ConfigDict(frozen=True)

    name: str
    pid: int
    started_s: float
    port: int
    log: Path

    @classmethod
    def of(cls, child: Child, port: int) -> ProcessState:
        return cls(name=child.name, pid=child.pid, started_s=child.started_s, port=port, log=child.log)

    @classmethod
    def current(cls) -> ProcessState:
        """This very process."""
        started = psutil.Process().create_time()
        return cls(name="supervisor", pid=os.getpid(), started_s=started, port=0, log=Path(os.devnull))

    def living(self) -> Child | None:
        """The process, or None when it has ended (also when its pid is somebody else's now)."""
        child = Child(self.name, self.pid, self.started_s, self.log)
        return child if child.alive() else None


class StackState(BaseModel):
    """Everything of one stack. `database` and `broker` are None when they are not ours to stop."""

    model_config = ConfigDict(frozen=True)

    realm: str
    clock: str
    timezone: str
    broker_kind: Literal["embedded", "kafka"]
    broker_address: str
    database_address: str
    supervisor: ProcessState
    detached: bool
    database: ProcessState | None = None
    broker: ProcessState | None = None
    services: dict[str, ProcessState] = {}

    def processes(self) -> list[ProcessState]:
        """In the order in which they are stopped."""
        servers = [process for process in (self.broker, self.database) if process is not None]
        return [*self.services.values(), *servers]


def make(config: Path) -> None:
    """The folder of keys, for its owner only; it also shows whether this can be a data folder at all."""
    try:
        config.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StackError(
            "data_folder_unusable",
            f"{config.parent} can't be a data folder: {error.strerror}.",
            "Name a folder that you may write to, or one that does not exist yet: --data FOLDER",
        ) from error


def read(folder: Path) -> StackState | None:
    """The state, or None when nothing was started there (or everything was stopped)."""
    try:
        return StackState.model_validate_json((folder / FILE).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValidationError as error:
        raise StackError(
            "stack_state_unreadable",
            f"{folder / FILE} is not a state file of this version: {error.error_count()} errors.",
            "End the processes it names yourself, then remove the file.",
        ) from error


def write(folder: Path, state: StackState) -> None:
    temporary = folder / f".{FILE}.{os.getpid()}"
    temporary.write_text(state.model_dump_json(indent=1), "utf-8")
    temporary.replace(folder / FILE)


def clear(folder: Path) -> None:
    (folder / FILE).unlink(missing_ok=True)


def running(state: StackState) -> list[ProcessState]:
    """Those of its processes that are alive, and really are the ones that were started."""
    return [process for process in state.processes() if process.living() is not None]


def kept() -> list[Path]:
    """The folders of the stacks below this one, whether they run or not."""
    return sorted(path.parent for path in STACKS.glob(f"*/{FILE}"))


def serving(service: str) -> dict[str, Path]:
    """The folders of the stacks below this one in which the service runs, by its address.

    Raises `StackError` for a state file it can't read.
    """
    found: dict[str, Path] = {}
    for folder in kept():
        known = read(folder)
        process = known.services.get(service) if known is not None else None
        if process is not None and process.living() is not None:
            found[f"http://127.0.0.1:{process.port}"] = folder
    return found


def find_url(service: str) -> str:
    """The address of a service of the one stack that runs below this folder.

    Raises `Refused` (`which_url`, `service_ended`) when none does, or several, and `StackError` for a state file it
    can't read.
    """
    found = serving(service)
    if len(found) == 1:
        return next(iter(found))
    if not found and (ended := _ended(service)):
        raise ended
    several = ", ".join(str(folder) for folder in found.values())
    reason = f"several stacks run here ({several})" if found else "no stack runs here"
    raise Refused(
        "which_url", f"{reason}, so it is not clear which {service} is meant", "Say where: --url http://HOST:PORT"
    )


def _ended(service: str) -> Refused | None:
    """What to say when the service has ended and others of its stack run."""
    for folder in kept():
        known = read(folder)
        if known is not None and service in known.services and running(known):
            return Refused(
                "service_ended",
                f"the {service} of the stack in {folder} has ended; the rest runs",
                f"Start it again: {again(folder, known.realm, known.broker_kind)}. "
                f"Why it ended: {known.services[service].log}",
            )
    return None


def again(folder: Path, realm: str, broker: str) -> str:
    """The command that starts what has ended of a stack."""
    main = folder.resolve() == (STACKS / "main").resolve()
    given = [] if main else ["--data", str(folder)]
    given += [] if realm == "demo" else ["--realm", realm]
    given += [] if broker == "embedded" else ["--broker", broker]
    return shlex.join(["trueup", "up", *given])


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Only one program at a time starts or stops what is in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(
                "stack_busy",
                f"Another program is starting or stopping the stack in {folder}.",
                "Wait for it, or end it; `trueup status` shows what runs.",
            ) from None
        yield
