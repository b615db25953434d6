"""Loopback ports: one that is free, or a clear word about the one that is not."""

from __future__ import annotations

import json
import secrets
import socket
from pathlib import Path

import psutil

from cli.stack.errors import StackError

HOST = "127.0.0.1"
LOWEST, HIGHEST = 15_000, 32_000
ATTEMPTS = 100


def free_port() -> int:
    """A port that nothing listens on now. Somebody else may take it before it is used: callers retry.

    It is below the range from which the kernel takes ports for outgoing connections, so that a program that is
    restarted finds its port free again.
    """
    for _ in range(ATTEMPTS):
        port = LOWEST + secrets.randbelow(HIGHEST - LOWEST)
        if is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        chosen: int = probe.getsockname()[1]
        return chosen


def kept(file: Path, name: str) -> int:
    """The port that `name` had the last time, by the file, so that addresses stay; else a free one, written there."""
    known: dict[str, int] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    if name not in known or not is_free(known[name]):
        known[name] = free_port()
        file.write_text(json.dumps(known, indent=1), "utf-8")
    return known[name]


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def claim(port: int, purpose: str) -> int:
    """The port asked for, or a `port_in_use` error naming it, its purpose and, where visible, its user."""
    if is_free(port):
        return port
    raise StackError(
        "port_in_use",
        f"Port {port} on {HOST}, asked for {purpose}, is in use{_user_of(port)}.",
        "Stop that program, or ask for another port; without a port a free one is chosen.",
    )


def _user_of(port: int) -> str:
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return ""
    for connection in connections:
        if connection.status != psutil.CONN_LISTEN or not connection.laddr:
            continue
        if connection.laddr.port == port and connection.pid:
            try:
                return f" by process {connection.pid} ({psutil.Process(connection.pid).name()})"
            except psutil.NoSuchProcess:
                return ""
    return ""
