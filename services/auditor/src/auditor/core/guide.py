"""VERIFY.md: how to check a bundle, and what each part of it proves."""

# ruff: noqa: E501 - a Markdown table has long lines

from __future__ import annotations

from auditor.core.attestation import Attestation

_TEXT = """# Checking this bundle

It is about the case `{case}` of the realm `{realm}`, and holds {events} events. No network and nothing of the
organisation that wrote it is needed: only this file, a policy, and a list of service keys. Get those two from the
organisation **another way than this bundle**, once; they are the same for every bundle.

    trueup audit verify FILE.zip --policy trusted.policy --service-keys service-keys.json

The small package `transparency` alone does the same, except what needs Trueup's own rules:

    python -m transparency FILE.zip --policy trusted.policy --service-keys service-keys.json

The result is 0 (verified), 1 (something does not hold) or 2 (it could not be checked).

| part | what it proves |
|---|---|
| `narrative.html`, `narrative.pdf` | nothing by themselves: they are for reading. `trueup audit verify` writes the HTML again from the records and compares |
| `events.ndjson` | what was recorded, byte for byte, one event a line |
| `proofs/` | that each of these events is in the log, at its position, unaltered: a C2SP tlog-proof@v1 for each line |
| `checkpoint` | how long the log was and what its root was, signed by the log and by witnesses that the organisation does not run |
| `policy` | nothing: it is the organisation's own word on whom to trust. Yours counts |
| `statement.dsse.json` | that the auditor service put together exactly these files: an in-toto Statement v1 in a DSSE envelope |
| `attestation.json` | the case in a form that `trueup audit verify` checks: signatures of people, both gates, proof, soak |
| `schemas/` | nothing: the JSON Schema of each type of event, for whoever wants to read them |
| `extracts/` | nothing: the tables of the narrative as CSV and XLSX. The CSV is written again and compared |

Without Trueup: each line of `events.ndjson` is a leaf of an RFC 6962 tree, so that any C2SP tlog-proof verifier (Go's
`torchwood.VerifyProof`) checks `proofs/N.tlog-proof` against the line of the event at position N, under your policy.

What this can't show: that everything which happened was recorded. A log proves that nothing in it was altered. Between
two witnessed checkpoints, whoever runs the database could still change what no witness had seen.
"""


def guide(document: Attestation, events: int) -> bytes:
    """The file."""
    return _TEXT.format(case=document.case, realm=document.head["realm"], events=events).encode()
