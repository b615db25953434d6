"""Generates the secrets that docker-compose.yml asks for, once, readable by the owner only.

    python3 deploy/docker/secrets.py CONFIG_FOLDER

CONFIG_FOLDER has directory.json, feeds.json, issuer.key, log.key, log.policy, polls.json and targets.json (`trueup
up` makes them in the folder `config` of its data; CONTRIBUTING.md says more), and the services' own keys
(`trueup keys make --config CONFIG_FOLDER --realm demo`).
Writes `.env` beside docker-compose.yml, and passwords and copies of those files to `.trueup/compose`, owned by the
user the containers run as: you, or an unprivileged id when you are root. Makes `.trueup/keys`, where the observer
keeps the keys of personal data. Refuses to overwrite: databases and brokers keep the passwords that they were created
with.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import uuid
from pathlib import Path
from secrets import token_urlsafe

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("observer", "differ", "planner", "approver", "executor", "auditor")
COMPOSE = ROOT / ".trueup" / "compose"
UNPRIVILEGED = 10001
SIGNING = tuple(f"signing-{name}.key" for name in ("planner", "approver", "executor", "auditor"))
CONFIG = (
    "directory.json", "feeds.json", "issuer.key", "log.key", "log.policy", "polls.json", "targets.json",
    "service-keys.json", *SIGNING,
)  # fmt: skip


def write_new(path: Path, text: str, owner: int | None = None) -> None:
    """Create the file with mode 0600; an existing one is an error. `owner` can be given by root only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as output:
        output.write(text)
    if owner is not None:
        os.chown(path, owner, owner)


def main(arguments: list[str]) -> None:
    if len(arguments) != 1:
        sys.exit("usage: python3 deploy/docker/secrets.py CONFIG_FOLDER")
    config = Path(arguments[0]).resolve()
    absent = [name for name in CONFIG if not (config / name).exists()]
    if absent:
        sys.exit(f"{config} lacks {', '.join(absent)}")
    owner = UNPRIVILEGED if os.geteuid() == 0 else None
    roles = {name: token_urlsafe(24) for name in (*SERVICES, "reader")}
    values = {
        "TRUEUP_UID": str(owner or os.getuid()),
        "TRUEUP_GID": str(owner or os.getgid()),
        "POSTGRES_PASSWORD": token_urlsafe(24),
        "KAFKA_CLUSTER_ID": base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="),
    }
    values |= {f"DATABASE_{name.upper()}_PASSWORD": roles[name] for name in SERVICES}
    users = ("admin", "controller", *SERVICES, "upstream")
    values |= {f"KAFKA_{user.upper()}_PASSWORD": token_urlsafe(24) for user in users}
    try:
        write_new(ROOT / ".env", "".join(f"{name}={value}\n" for name, value in values.items()))
        write_new(COMPOSE / "passwords.json", json.dumps(roles, indent=1), owner)
        for name in CONFIG:
            write_new(COMPOSE / name, (config / name).read_text("utf-8"), owner)
    except FileExistsError as error:
        sys.exit(f"{error.filename} exists; its passwords are in use. Remove it, and the volumes, to start afresh.")
    keys = ROOT / ".trueup" / "keys"
    keys.mkdir(mode=0o700, exist_ok=True)
    if owner is not None:
        os.chown(keys, owner, owner)
    print("wrote .env and .trueup/compose; next: docker compose up --build")


if __name__ == "__main__":
    main(sys.argv[1:])
