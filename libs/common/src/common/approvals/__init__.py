"""The two gates, in one code path: the approver asks it before it records, the executor asks it again before it acts.

Everything here is a pure function of the case's events, the active declarations, the directory and the facts. What
may not be done raises `Refused` with one of the reason codes in `REASONS`.
"""

from common.approvals.binding import chain_for, confirm_roles, digest_parts, facts_digest, routed_role, what_changed
from common.approvals.execution import (
    check_execution,
    check_exempt,
    check_resumed,
    check_services,
    check_signed,
    check_step,
    quorum,
)
from common.approvals.reasons import REASONS, refuse
from common.approvals.rights import admit, check_right, parts_taken

__all__ = [
    "REASONS",
    "admit",
    "chain_for",
    "check_execution",
    "check_exempt",
    "check_resumed",
    "check_right",
    "check_services",
    "check_signed",
    "check_step",
    "confirm_roles",
    "digest_parts",
    "facts_digest",
    "parts_taken",
    "quorum",
    "refuse",
    "routed_role",
    "what_changed",
]
