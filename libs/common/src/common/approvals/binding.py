"""What an approval binds to: who must agree, and the five digests (DESIGN, invariant 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from common.canonical import digest
from common.declarations.catalogue import Catalogue
from common.declarations.models import ApprovalPolicy
from common.directory import Directory
from common.errors import Permanent
from common.events.approver import Chain, DigestParts, TicketOpened
from common.events.model import Fact, Value
from common.events.planner import PlanDrafted
from common.sealing import SHOWN, is_sealed


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
    _, policy = _policy(catalogue, desired_state)
    return _routed(policy.confirm_gap, policy.owners, attributes, directory)


def chain_for(
    catalogue: Catalogue, directory: Directory, plan: PlanDrafted, severity: str, attributes: Mapping[str, Value]
) -> Chain:
    """Who must agree to `plan`: for each of its actions all policy lines that match, united (the larger quorum of
    each role). Raises `Permanent` when an action matches no line: then nobody may approve it."""
    name, policy = _policy(catalogue, plan.desired_state)
    actions = sorted({step.action for step in plan.steps})
    quorum = catalogue.required_approvals(plan.desired_state, actions, severity)
    lines = {
        line.when for action in actions for line in catalogue.matching_lines(plan.desired_state, action, severity)
    }
    confirm = confirm_roles(catalogue, directory, plan.desired_state, attributes)
    approve = _routed(quorum, policy.owners, attributes, directory)
    release = _routed(policy.release_step, policy.owners, attributes, directory)
    return Chain(
        policy=name,
        line=" and ".join(sorted(lines)),
        confirm=confirm,
        approve=approve,
        release=release,
        apart=sorted(policy.apart),
        eligible={role: directory.holders(role) for role in sorted({*confirm, *approve, *release})},
    )


def _policy(catalogue: Catalogue, desired_state: str) -> tuple[str, ApprovalPolicy]:
    name, policy = catalogue.policy_name(desired_state), catalogue.policy(desired_state)
    if name is None or policy is None:
        raise Permanent("no_policy", f"no active ApprovalPolicy covers {desired_state}; nobody can approve its plans")
    return name, policy


def digest_parts(catalogue: Catalogue, chain: Chain, plan: PlanDrafted, facts: Sequence[Fact]) -> DigestParts:
    """The five digests that an approval binds to (DESIGN, invariant 5), as things are now."""
    return DigestParts(
        plan=plan.recompute_content_digest(),
        desired_state=catalogue.version_digest(plan.desired_state),
        facts=facts_digest(facts),
        policy=catalogue.policy_digest(plan.desired_state) or "",
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
    if fact is None or fact.unknown is not None:
        return "unknown"
    return SHOWN if is_sealed(fact.value) else repr(fact.value)
