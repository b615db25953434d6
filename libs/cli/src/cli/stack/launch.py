"""Becomes another program, after tying its life to the parent's and giving up root where asked.

Run as a script with `python -I -S`, standard library only, because it also runs before anything is known
about the user it becomes. Both settings must be made between fork and exec; doing that here instead of in a
`preexec_fn` keeps the supervisor free to use threads.

Order matters: the kernel clears the parent-death signal whenever credentials change, so it is set last.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
PR_SET_SECUREBITS = 28
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
SECBIT_NO_SETUID_FIXUP = 4
CAPABILITY_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Sets(ctypes.Structure):
    _fields_ = [
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    ]


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def become(libc: ctypes.CDLL, uid: int, gid: int, capability: int | None) -> None:
    """Change to the user; with a capability, keep exactly that one across the exec.

    The secure bit keeps the capabilities through the change of user, and later makes access(2), which initdb asks
    whether it may run `postgres`, count them.
    """
    if capability is not None:
        _checked(libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0), "keep capabilities")
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if capability is None:
        return
    bit = 1 << capability
    sets = (_Sets * 2)(_Sets(bit, bit, bit), _Sets(0, 0, 0))
    header = _Header(CAPABILITY_VERSION_3, 0)
    _checked(libc.capset(ctypes.byref(header), ctypes.byref(sets)), "set capabilities")
    raised = libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0)
    _checked(raised, "raise the ambient capability")


def die_with(number: int, parent: int) -> None:
    """Get the signal `number` when the process `parent` dies, or end now if it has."""
    _checked(_libc().prctl(PR_SET_PDEATHSIG, number, 0, 0, 0), "tie to the parent")
    if os.getppid() != parent:  # it died before the line above
        sys.exit(1)


def be_called(name: str) -> None:
    """Have `ps` and `top` show this name (its first 15 bytes) where they show a program's."""
    _checked(_libc().prctl(PR_SET_NAME, name.encode(), 0, 0, 0), "take a name")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--die-with", type=int, help="signal to get when the parent dies")
    parser.add_argument("--parent", type=int, help="the parent's pid, to notice that it is gone already")
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    parser.add_argument("--capability", type=int)
    parser.add_argument("command", nargs="+")
    args = parser.parse_args()
    if args.uid is not None:
        become(_libc(), args.uid, args.gid, args.capability)
    if args.die_with is not None and sys.platform == "linux":
        die_with(args.die_with, args.parent)
    os.execv(args.command[0], args.command)  # noqa: S606 - the whole purpose


if __name__ == "__main__":
    main()
