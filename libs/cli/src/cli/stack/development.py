"""What a realm on this machine needs before its services start, where nobody has provided it yet.

An empty directory (nobody may decide anything until people are entered), no feeds, nothing polled, no targets, the
secret with which the development issuer signs sessions, and the transparency log's key with a policy that asks for no
witness. Files that exist are never touched.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from transparency.notes import SigningKey

from cli.stack.errors import StackError
from cli.stack.secretfiles import write_private

TARGETS = "targets.json"
POLLS = "polls.json"


def provide(config: Path, realm: str) -> None:
    """Write the files that are missing. Raises `StackError` (`stack_differs`) if they are another realm's."""
    issuer = config / "issuer.key"
    if not issuer.exists():
        write_private(issuer, secrets.token_urlsafe(48) + "\n")
    provide_log(config, realm)
    feeds = config / "feeds.json"
    if not feeds.exists():
        feeds.write_text("{}\n", "utf-8")
    provide_addresses(config)
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


def provide_addresses(config: Path) -> None:
    """Empty files of addresses, where they are missing: a service is told of a file that is there when it starts."""
    for secret in (TARGETS, POLLS):
        if not (config / secret).exists():
            write_private(config / secret, "{}\n")


def provide_log(config: Path, realm: str) -> None:
    """The key that signs the ledger's checkpoints, and a policy that names it, where they are missing."""
    secret, policy = config / "log.key", config / "log.policy"
    if not secret.exists():
        write_private(secret, SigningKey.generate(f"trueup/{realm}").encode() + "\n")
    if not policy.exists():
        key = SigningKey.parse(secret.read_text("utf-8").strip())
        policy.write_text(_POLICY.format(key=key.verifier.encode()), "utf-8")


_POLICY = """\
# Who must sign what the auditor publishes (C2SP tlog-policy). To be witnessed: run `trueup witness init` on somebody
# else's machine, add the line that it prints, name that witness in the last line instead of none, and start the
# auditor again.
log {key}
quorum none
"""
