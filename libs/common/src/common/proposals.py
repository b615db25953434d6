"""What a proposal of declarations is called, and what its author and its activator sign.

The author's client and the approver compute both alike, so that nobody signs a digest they did not see made.
"""

from __future__ import annotations

from collections.abc import Iterable

from common.canonical import digest


def set_digest(documents: Iterable[tuple[str, str, str]]) -> str:
    """The digest of a set of documents, given as (kind, name, document digest) in any order."""
    return digest(sorted([kind, name, content] for kind, name, content in documents))


def proposal_id(documents_digest: str, author: str, nonce: str) -> str:
    """The id of the proposal that `author` makes of these documents with a decision of this nonce."""
    return "p-" + digest([documents_digest, author, nonce])[:12]
