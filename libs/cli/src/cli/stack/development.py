"""What a realm on this machine needs before its services start, where nobody has provided it yet.

An empty directory (nobody may decide anything until people are entered), and the secret with which the development
issuer signs sessions. Files that exist are never touched.
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
    directory = config / "directory.json"
    if not directory.exists():
        content = {"realm": realm, "people": [], "agents": []}
        directory.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
        tell(f"Nobody is in {directory} yet: make a key with `trueup login --person ID --new-key`, enter its public")
        tell("half there with id, name and roles, then run `trueup down` and `trueup up`")
