"""What an approval binds to: who must agree, and the five digests (DESIGN, invariant 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from common.canonical import digest
from common.declarations.catalogue import Catalogue
from common.directory import Directory
from common.events.approver import Chain, DigestParts, TicketOpened
from common.events.model import Fact, Value
from common.events.planner import PlanDrafted


def facts_digest(facts: Sequence[Fact]) -> str:
    """A digest over names and values only: seeing the same again, in a newer observation, changes nothing."""
    return digest(sorted([fact.name, digest(fact.value), fact.unknown is not None] for fact in facts))


def routed_role(role: str, owners: Mapping[str, str], attributes: Mapping[str, Value], directory: Directory) -> str:
    """The role that acts for `role` in this case: `role/<value>` where the policy routes it by an attribute and
    somebody holds it, else the policy's fallback; `role` itself where nothing is routed."""
    attribute = owners.get(role)
    if attribute is None:
        return role
    value = attributes.get(attribute)
    scoped = f"{role}/{value}"
    return scoped if isinstance(value, str) and directory.holders(scoped) else owners["otherwise"]


def _routed(
    quorum: Mapping[str, int], owners: Mapping[str, str], attributes: Mapping[str, Value], directory: Directory
) -> dict[str, int]:
    result: dict[str, int] = {}
    for role, count in quorum.items():
        name = routed_role(role, owners, attributes, directory)
        result[name] = max(count, result.get(name, 0))
    return result


def confirm_roles(
    catalogue: Catalogue, directory: Directory, desired_state: str, attributes: Mapping[str, Value]
) -> dict[str, int]:
    """Gate 1: how many people of which roles must confirm that the gap is real."""
    policy = catalogue.policy(desired_state)
    return _routed(policy.confirm_gap, policy.owners, attributes, directory)


def chain_for(
    catalogue: Catalogue, directory: Directory, plan: PlanDrafted, severity: str, attributes: Mapping[str, Value]
) -> Chain:
    """Who must agree to `plan`: all policy lines that match it, united (the larger quorum of each role)."""
    policy = catalogue.policy(plan.desired_state)
    financial = any(catalogue.systems[step.system].financial for step in plan.steps)
    lines = catalogue.matching_lines(plan.desired_state, risk=plan.risk, severity=severity, financial=financial)
    approve: dict[str, int] = {}
    for line in lines:
        for role, count in _routed(line.roles, policy.owners, attributes, directory).items():
            approve[role] = max(count, approve.get(role, 0))
    confirm = confirm_roles(catalogue, directory, plan.desired_state, attributes)
    release = _routed(policy.release_step, policy.owners, attributes, directory)
    roles = sorted({*confirm, *approve, *release})
    return Chain(
        policy=catalogue.policy_name(plan.desired_state),
        line=" and ".join(line.when for line in lines),
        confirm=confirm,
        approve=approve,
        release=release,
        apart=sorted(policy.apart),
        eligible={role: directory.holders(role) for role in roles},
    )


def digest_parts(catalogue: Catalogue, chain: Chain, plan: PlanDrafted, facts: Sequence[Fact]) -> DigestParts:
    """The five digests that an approval binds to (DESIGN, invariant 5), as things are now."""
    return DigestParts(
        plan=plan.recompute_content_digest(),
        desired_state=catalogue.version_digest(plan.desired_state),
        facts=facts_digest(facts),
        policy=catalogue.policy_digest(plan.desired_state),
        chain=digest(chain.model_dump(mode="json")),
    )


def what_changed(ticket: TicketOpened, now: DigestParts, old: Sequence[Fact], new: Sequence[Fact]) -> list[str]:
    """In words: which of the five parts is no longer what the ticket was opened on. Empty when nothing changed."""
    changed: list[str] = []
    if ticket.parts.facts != now.facts:
        changed += _changed_facts(old, new)
    for part, words in (
        ("plan", "the plan's content changed"),
        ("desired_state", "the declaration of the desired state, or of an action it uses, changed"),
        ("policy", f"the approval policy {ticket.chain.policy} changed"),
        ("chain", "who may decide changed (the directory, or the policy line that applies)"),
    ):
        if getattr(ticket.parts, part) != getattr(now, part):
            changed.append(words)
    return changed


def _changed_facts(old: Sequence[Fact], new: Sequence[Fact]) -> list[str]:
    before = {fact.name: fact for fact in old}
    words = []
    for fact in new:
        was = before.get(fact.name)
        if was is None or (was.value, was.unknown is None) != (fact.value, fact.unknown is None):
            words.append(f"{fact.name} was {_shown(was)} and is now {_shown(fact)}")
    return words or ["the facts that the plan relies on changed"]


def _shown(fact: Fact | None) -> str:
    return "unknown" if fact is None or fact.unknown is not None else repr(fact.value)
