"""What a realm on this machine needs before its services start, where nobody has provided it yet.

An empty directory (nobody may decide anything until people are entered), no feeds, no targets, and the secret with
which the development issuer signs sessions. Files that exist are never touched.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from cli.stack.errors import StackError
from cli.stack.secretfiles import write_private

TARGETS = "targets.json"


def provide(config: Path, realm: str) -> None:
    """Write the files that are missing. Raises `StackError` (`stack_differs`) if they are another realm's."""
    issuer = config / "issuer.key"
    if not issuer.exists():
        write_private(issuer, secrets.token_urlsafe(48) + "\n")
    feeds = config / "feeds.json"
    if not feeds.exists():
        feeds.write_text("{}\n", "utf-8")
    if not (config / TARGETS).exists():
        write_private(config / TARGETS, "{}\n")
    directory = config / "directory.json"
    if not directory.exists():
        content = {"realm": realm, "people": [], "agents": []}
        directory.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
        return
    try:
        known = json.loads(directory.read_bytes())
    except ValueError:
        return  # the services say what is wrong with it
    if isinstance(known, dict) and known.get("realm", realm) != realm:
        raise StackError(
            "stack_differs",
            f"{config.parent} is the folder of realm {known['realm']}, not of {realm}.",
            f"Start it as it is: --realm {known['realm']}. Or give the new one a folder of its own: --data FOLDER",
        )
