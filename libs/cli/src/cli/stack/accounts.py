"""Which user PostgreSQL runs as, and how that user gets to files below a private folder.

PostgreSQL refuses to run as root. Then it runs as an unprivileged system user, who can't enter, say, a clone
below /root. The owner's folders are never opened up for that: the server process keeps one capability that
lets it pass them, and only when it needs to.
"""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path

from cli.stack.children import Account
from cli.stack.errors import StackError

USER = "trueup-postgres"
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2


def for_data(data: Path, programs: Sequence[Path]) -> Account | None:
    """The account to run `programs` on `data` with; None when we are an ordinary user and stay ourselves.

    Data that exists already is served as its owner, so that a folder made by one user can be used by root.
    """
    if os.geteuid() != 0:
        return None
    owner = data.stat().st_uid if data.exists() else 0
    entry = _system_user() if owner == 0 else _entry(owner)
    return Account(entry.pw_uid, entry.pw_gid, _capability(entry, data, programs))


def _entry(uid: int) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        raise StackError(
            "postgres_owner_unknown",
            f"The database files belong to user id {uid}, who does not exist here.",
            "Give the folder to an existing user, or remove it to start with an empty database.",
        ) from None


def _system_user() -> pwd.struct_passwd:
    """The dedicated user, made when missing; `nobody` where users can't be made (a read-only system)."""
    try:
        return pwd.getpwnam(USER)
    except KeyError:
        pass
    command = ["useradd", "--system", "--no-create-home", "--home-dir", "/nonexistent"]
    try:
        subprocess.run([*command, "--shell", "/usr/sbin/nologin", USER], check=True, capture_output=True)
        return pwd.getpwnam(USER)
    except (OSError, subprocess.CalledProcessError, KeyError):
        return pwd.getpwnam("nobody")


def _capability(user: pwd.struct_passwd, data: Path, programs: Sequence[Path]) -> int | None:
    """The least capability with which the user reaches everything: none, read and search, or override."""
    executable = all(_may(path, user, stat.S_IXOTH) for path in programs)
    readable = all(_may(path, user, stat.S_IROTH) for path in programs)
    folders = {*data.parents, *(parent for path in programs for parent in path.parents)}
    enterable = all(_may(folder, user, stat.S_IXOTH) for folder in folders if folder.exists())
    if executable and readable and enterable:
        return None
    permitted = _permitted_capabilities()
    choices = (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE) if executable else (CAP_DAC_OVERRIDE,)
    for choice in choices:
        if permitted >> choice & 1:
            return choice
    raise StackError(
        "postgres_user_cannot_reach_data",
        f"PostgreSQL can't run as root, and the user {user.pw_name}, as whom it runs instead, can't enter "
        f"{data} or reach its own program files; this container also lacks the capability to let it.",
        "Run as an ordinary user, or put the project where others may enter, such as /srv or /opt.",
    )


def _may(path: Path, user: pwd.struct_passwd, others: int) -> bool:
    """Whether the mode bits (`others`: the bit for others) allow the user this. Access lists are ignored."""
    status = path.stat()
    if status.st_uid == user.pw_uid:
        return bool(status.st_mode & others << 6)
    if status.st_gid == user.pw_gid:
        return bool(status.st_mode & others << 3)
    return bool(status.st_mode & others)


def _permitted_capabilities() -> int:
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("CapPrm:"):
            return int(line.split()[1], 16)
    return 0
