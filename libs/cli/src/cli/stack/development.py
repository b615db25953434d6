"""What a realm on this machine needs before its services start, where nobody has provided it yet.

An empty directory (nobody may decide anything until people are entered), no feeds, and the secret with which the
development issuer signs sessions. Files that exist are never touched.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from pathlib import Path

from cli.stack.secretfiles import write_private


def provide(config: Path, realm: str, tell: Callable[[str], None]) -> None:
    """Write the files that are missing, and say what a person has to do with them."""
    issuer = config / "issuer.key"
    if not issuer.exists():
        write_private(issuer, secrets.token_urlsafe(48) + "\n")
    feeds = config / "feeds.json"
    if not feeds.exists():
        feeds.write_text("{}\n", "utf-8")
    directory = config / "directory.json"
    if not directory.exists():
        content = {"realm": realm, "people": [], "agents": []}
        directory.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
        tell("Nobody is in the realm's directory yet: trueup people add ID --name NAME --role ROLE")
