"""Why a gate refuses: the stable codes, and the refusal."""

from __future__ import annotations

from common.errors import Refused

REASONS: dict[str, str] = {
    "agent_identity": "software decided; only people do",
    "person_unknown": "the person is not in the directory",
    "person_left": "the person had left, or has left since, and decides nothing any more",
    "role_not_held": "the person does not hold the role",
    "role_not_needed": "nothing is asked of that role here (any more)",
    "already_decided": "this person has decided this already",
    "author_decides": "who wrote the declaration decides on its cases",
    "not_apart": "one person would take two parts in one case",
    "stale_digest": "the decision is about something that has changed since",
    "signature_missing": "the decision is not signed",
    "signature_invalid": "the signature is not the person's over this decision",
    "wrong_realm": "the decision was made for another realm",
    "wrong_case": "the decision was made for another case",
    "wrong_stage": "the case is not where this can be decided",
    "gap_closed": "the gap has closed",
    "gap_met": "nothing of it fails at present; it closes when that has lasted, and goes on if it fails again",
    "case_suspended": "what actions mend is undone again and again; a person must look first",
    "gap_accepted": "people have accepted the gap, until a day that has not come",
    "gap_ignored": "the declaration says that this is not to be acted on",
    "proposal_unknown": "nobody proposed the declaration before it was activated",
    "gate1_missing": "nobody confirmed the gap",
    "gate1_stale": "what was confirmed is not what fails now",
    "gate2_missing": "the plan is not authorised",
    "quorum_incomplete": "not everybody who must approve has",
    "digest_mismatch": "what would run is not what was approved",
    "version_changed": "the declaration changed since the plan was drafted",
    "grant_expired": "the time in which it might run is over",
    "outside_grant": "the step is not in the grant",
    "already_consumed": "the approval, or the release, was used already",
    "service_signature_missing": "the event is not signed by the service that writes such events",
    "service_signature_invalid": "the signature is not the service's over this event",
    "service_signature_foreign": "the event is signed by another service than the one that writes such events",
    "service_key_unknown": "the event is signed with a key that is not trusted",
    "service_key_expired": "the event is from a time for which its key is not trusted",
    "release_missing": "at Level 2 a person releases each step, and nobody has",
}
"""Every reason code of a refusal at a gate, and what it means."""


def refuse(code: str, message: str = "", what_to_do: str = "") -> Refused:
    """The refusal with that code; the code's own meaning where no message is given."""
    return Refused(code, message or REASONS[code], what_to_do)
