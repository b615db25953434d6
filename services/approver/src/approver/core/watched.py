"""What Git has beside what is active, as far as this realm knows: by what was proposed last from each branch."""

from __future__ import annotations

from collections.abc import Iterable

from approver.core.proposals import Declarations, Proposal

MOST_NAMED = 5


def differences(declarations: Declarations) -> list[str]:
    """A sentence for each watched branch that has something else than what is active, and one for what is active and
    in none of them. Nothing where they are the same, or nothing was ever proposed from Git."""
    latest = declarations.from_git()
    told = [said for proposal in latest.values() if (said := _ahead(proposal, declarations))]
    watched = {key for proposal in latest.values() for key in proposal.names}
    if latest and (only := sorted(declarations.active.keys() - watched)):
        told.append(f"active, and not in Git as proposed last: {_named(only)}. See: trueup apply --watch --once")
    return told


def _ahead(proposal: Proposal, declarations: Declarations) -> str:
    standing: dict[str, list[tuple[str, str]]] = {"new": [], "changed": []}
    for _, data in proposal.proposed:
        standing.setdefault(declarations.change(data.kind, data.name, data.digest), []).append((data.kind, data.name))
    if not standing["new"] and not standing["changed"]:
        return ""
    assert proposal.git is not None
    where = f"{proposal.git.repository}, {proposal.git.branch} at {proposal.git.commit[:12]}"
    what = [f"changed: {_named(standing['changed'])}"] if standing["changed"] else []
    what += [f"not active: {_named(standing['new'])}"] if standing["new"] else []
    waits = declarations.status(proposal) == "proposed"
    next_ = f"Nobody has activated {proposal.id} yet: trueup show {proposal.id}"
    undone = f"{proposal.id} was activated, and something else since: trueup proposals"
    return f"Git ({where}) differs from what is active; {'; '.join(what)}. {next_ if waits else undone}"


def _named(keys: Iterable[tuple[str, str]]) -> str:
    names = [f"{kind} {name}" for kind, name in sorted(keys)]
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{', '.join(names[:MOST_NAMED])}{more}"
