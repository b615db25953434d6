"""What is in a bundle beside the proofs: everything here is a pure function of the attestation and its events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from common.canonical import canonical
from common.events import MODELS
from common.events.upcasting import newest

from auditor.core import extracts, guide, html, pages
from auditor.core.attestation import Attestation
from auditor.core.checks.answer import Check
from auditor.core.pages import Page

ATTESTATION = "attestation.json"
NARRATIVE = "narrative.html"
GUIDE = "VERIFY.md"


def texts(page: Page) -> dict[str, bytes]:
    """What can be written again by whoever has the attestation: narrative and tables, by name."""
    return {NARRATIVE: html.html(page), **extracts.extracts(page)}


def files(document: Attestation, page: Page, types: Iterable[str]) -> dict[str, bytes]:
    """The files that are text, by name. `types` are those of the events."""
    kinds = sorted(types)
    return {
        GUIDE: guide.guide(document, len(document.exhibits) + 1),
        ATTESTATION: document.encode(),
        **texts(page),
        **{f"schemas/{kind}.json": schema(kind) for kind in kinds},
    }


def schema(kind: str) -> bytes:
    """The JSON Schema of the data of an event type, as its newest version is read."""
    described = MODELS[newest(kind)].model_json_schema()
    return canonical({"$schema": "https://json-schema.org/draft/2020-12/schema", **described}) + b"\n"


def predicate(document: Attestation, checkpoint: dict[str, Any]) -> dict[str, Any]:
    """What the signed statement says of the case."""
    return {
        "realm": document.head["realm"],
        "case": document.case,
        "issued": document.head["issued"],
        "simulated": document.head["simulated"],
        "attestation": document.digest,
        "statement": document.head["statement"],
        "checkpoint": checkpoint,
    }


def written_again(document: Attestation, held: Mapping[str, bytes]) -> Check:
    """Are narrative and tables what the attestation gives?"""
    again = texts(pages.page(document))
    differing = [name for name, content in again.items() if held.get(name) != content]
    if differing:
        return Check("pages", False, f"{', '.join(differing)}: not what the records give")
    told = f"narrative.html and {len(again) - 1} tables, written again from the records, are the same to the byte"
    return Check("pages", True, told)
