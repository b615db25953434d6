"""Whether a proposal is what its page shows: nobody signs for something else than they were shown."""

from __future__ import annotations

from typing import Any

from common.errors import Refused

JSONObject = dict[str, Any]


def differs(message: str) -> Refused:
    return Refused("shown_differs", message, "Look at the case again. If this repeats, tell the realm's operator.")


def check_proposal(page: JSONObject) -> None:
    """Raise `Refused` (`shown_differs`) unless the proposal's digests are those of the documents it shows."""
    from common.declarations.loader import document_digest  # noqa: PLC0415 - slow to import; few commands need it
    from common.proposals import set_digest  # noqa: PLC0415

    shown = [(item["kind"], item["name"], document_digest(item["kind"], item["name"], item["spec"]))
             for item in page["documents"]]  # fmt: skip
    if set_digest(shown) != page["set_digest"] or [item["digest"] for item in page["documents"]] != [
        content for *_, content in shown
    ]:
        raise differs(f"the documents shown are not those that {page['id']} is about")
    if (preview := page.get("preview")) is not None:
        from common.events.differ import ChangePreviewed  # noqa: PLC0415 - slow to import; few commands need it

        said = ChangePreviewed.model_validate(preview["said"])
        if (said.digest, said.set_digest, said.proposal) != (preview["digest"], page["set_digest"], page["id"]):
            raise differs(f"the consequences shown are not those that were worked out for {page['id']}")


def previewed(page: JSONObject) -> bool:
    """Whether the page shows what the proposal would change, beside what is active now."""
    return page.get("preview") is not None and bool(page["preview"]["current"])
