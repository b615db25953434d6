"""What was merged becomes a proposal. The courier decides nothing and has no key: it is one person's own client, and
what it proposes that person signs. Everybody whose commits are in it counts as an author."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from common.errors import Refused
from common.events.approver import GitOrigin
from common.proposals import set_digest

from cli.client import Client
from cli.git.comparing import Compared, compare, documents_of, joined
from cli.git.repository import GitFile, Repository

Said = Literal["same", "proposed", "waits", "invalid"]


@dataclass(frozen=True, slots=True)
class Watch:
    """Which branch and folder of a repository; `name` is how it is called in what is recorded."""

    branch: str
    path: str
    name: str


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the branch came to: all is active, it was proposed, it waits already, or it can't be read.

    All is active, and proposed all the same (`proposal`), where the branch went back to it: what it had before is no
    longer to be activated."""

    said: Said
    commit: str
    compared: list[Compared] = field(default_factory=list)
    proposal: dict[str, Any] | None = None
    problem: Refused | None = None

    @property
    def differing(self) -> list[Compared]:
        return [item for item in self.compared if item.standing != "same"]


def look(client: Client, repository: Repository, watch: Watch, comment: str = "") -> Look:
    """Compare what the branch has with what is active, and propose it where something differs that Git has, or what
    was proposed from it last does.

    Raises `Refused` for what no merge mends: the service is away, somebody is not signed in, there is no branch.
    """
    commit = repository.tip(watch.branch)
    active = client.active()["documents"]
    try:
        files = repository.files(commit, watch.path)
        documents = documents_of(files)
    except Refused as refused:
        return Look("invalid", commit, problem=refused)
    compared = compare(documents, active)
    ahead = [item for item in compared if item.standing in ("changed", "only in Git")]
    if not ahead:
        found = Found(commit, files, compared)
        back = bool(documents) and _left_waiting(client.proposals(), watch)
        return Look("same", commit, compared, _proposed(client, repository, watch, found, comment) if back else None)
    whole = set_digest((item.kind, item.name, item.digest) for item in documents)
    waiting = [item for item in client.proposals() if item["status"] == "proposed" and item["set_digest"] == whole]
    if waiting:
        return Look("waits", commit, compared, waiting[-1])
    try:
        proposal = _proposed(client, repository, watch, Found(commit, files, ahead), comment)
    except Refused as refused:
        if refused.reason_code not in ("invalid_declaration", "effective_later"):
            raise
        return Look("invalid", commit, compared, problem=refused)
    return Look("proposed", commit, compared, proposal)


@dataclass(frozen=True, slots=True)
class Found:
    """What the branch has at a commit, and the documents whose authors count."""

    commit: str
    files: list[GitFile]
    concerned: list[Compared]


def _left_waiting(proposals: list[dict[str, Any]], watch: Watch) -> bool:
    """Whether what was proposed last from this place is not what is active."""
    place = {"repository": watch.name, "branch": watch.branch, "path": watch.path}
    mine = [item for item in proposals if place.items() <= (item.get("git") or {}).items()]
    return bool(mine) and any(document["change"] != "unchanged" for document in mine[-1]["documents"])


def _proposed(client: Client, repository: Repository, watch: Watch, found: Found, comment: str) -> dict[str, Any]:
    """All that the branch has, proposed by who runs the courier. Raises `Refused`."""
    commit = found.commit
    since = [(item.file, item.commit) for item in found.concerned if item.file]
    origin = GitOrigin(
        repository=watch.name,
        branch=watch.branch,
        path=watch.path,
        commit=commit,
        base=next((base for _, base in since if base is not None), None),
        authors=repository.authors(commit, since),
    )
    told = comment or f"{watch.name}, {watch.branch} at {commit[:12]}"
    lost = sorted({base for _, base in since if base is not None and not repository.contains(commit, base)})
    if lost and any(item.standing != "same" for item in found.concerned):
        bases = ", ".join(base[:12] for base in lost[:3])
        told += f". What is active differs, and {bases}, from which it came, is not in its history: it was rewritten"
    return client.propose_text(joined(found.files), f"{watch.name}@{commit[:12]}", comment=told, git=origin)
