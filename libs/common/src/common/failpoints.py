"""Named places where a test can kill the process, to see what survives.

Armed by `TRUEUP_FAILPOINTS` (`executor.after_intent=1,differ.after_commit=3`: at the n-th hit), which `run` reads;
not armed, a failpoint is one look at an empty dict. The kill is SIGKILL: no handler, no clean-up, as power loss.
"""

from __future__ import annotations

import os
import signal

_armed: dict[str, int] = {}


def arm(specification: str) -> None:
    """Arm the failpoints that `specification` (`name=n,name=n`) lists, and no others. Raises ValueError."""
    wanted: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in specification.split(","))):
        name, separator, count = part.partition("=")
        if not separator or not count.isascii() or not count.isdigit() or int(count) < 1:
            raise ValueError(f"TRUEUP_FAILPOINTS: write {part!r} as name=n with n from 1 on")
        wanted[name] = int(count)
    _armed.clear()
    _armed.update(wanted)


def failpoint(name: str) -> None:
    """Kill this process here and now if `name` is armed and this is the hit it is armed for."""
    if not _armed or name not in _armed:
        return
    _armed[name] -= 1
    if _armed[name] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
