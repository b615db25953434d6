"""The services: did each sign, with its own key, what is recorded as its work?"""

from __future__ import annotations

from common.errors import Refused
from common.events import SIGNED
from common.service_keys import ServiceKeys, check_service_signature

from auditor.core.attestation import Attestation
from auditor.core.checks.answer import Failed, demand
from auditor.core.evidence import Record


def signatures(record: Record) -> str:
    """Every record of planner, executor and auditor, and the approver's own, is signed by its service's own key, at a
    time for which the file says that the key counts."""
    checked = _checked(record, record.service_keys)
    return f"all {checked} records that services sign carry the valid signature of the service that writes them"


def keys(document: Attestation, record: Record, trusted: ServiceKeys) -> str:
    """The signatures are valid by the verifier's own trust file, too: its keys, and the times it gives for them."""
    demand(trusted.realm == document.head["realm"], f"your service keys are of the realm {trusted.realm}")
    checked = _checked(record, trusted)
    count = len(document.head["service_keys"])
    return f"all {checked} signatures of services are valid by your own list, with {count} of its keys"


def _checked(record: Record, trusted: ServiceKeys) -> int:
    checked = 0
    for item in record.exhibits:
        signature: object = item.event.signature
        if item.event.type in SIGNED or (isinstance(signature, str) and signature.startswith("service:")):
            try:
                check_service_signature(item.event, trusted)
            except Refused as refusal:
                raise Failed(f"record {item.n}: {refusal.reason_code}: {refusal.message}") from refusal
            checked += 1
    demand(checked > 0, "no record that a service signs is here")
    return checked
