"""Bundles for examiners, put together from the attestation, the ledger and the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from common.errors import Permanent, Refused
from common.events.auditor import AttestationIssued
from common.ledger import Ledger, Recorded
from transparency import archives, bundles
from transparency.bundles import Placed, Signing
from transparency.checkpoints import Checkpoint
from transparency.proofs import Proof
from transparency.text import encode_base64

from auditor.adapters.printing import pdf
from auditor.adapters.sheets import xlsx
from auditor.core import attestation, bundle, pages
from auditor.core.attestation import Attestation
from auditor.ports import Proofs, Reading

AT_ONCE = 1
"""Bundles that are put together at the same time: they take memory, and reportlab has global state."""


class StoredExports:
    """See `ports.Exports`. `policy` gives the policy's file as it is; `signing` what the auditor signs with."""

    def __init__(
        self,
        pool: Any,
        ledger: Ledger,
        reading: Reading,
        proofs: Proofs,
        policy: Callable[[], bytes],
        signing: Callable[[], Signing],
    ) -> None:
        self._pool = pool
        self._ledger = ledger
        self._reading = reading
        self._proofs = proofs
        self._policy = policy
        self._signing = signing
        self._room = asyncio.Semaphore(AT_ONCE)

    async def bundle(self, case_id: str) -> bytes:
        async with self._room:
            document, records = await self._records(case_id)
            checkpoint, proofs = await self._proofs.proofs([record.position for record in records])
            placed = [Placed(record.position, record.raw, proofs[record.position]) for record in records]
            made = await asyncio.to_thread(self._made, document, records, placed, checkpoint)
        if len(made) > archives.MAX_BYTES:
            raise Permanent(
                "oversized", f"the bundle of {case_id} would have {len(made)} bytes; nobody would read it"
            )
        return made

    async def _records(self, case_id: str) -> tuple[Attestation, list[Recorded]]:
        """The attestation, its records and the event that issued it, in ledger order."""
        found = await self._reading.document(case_id)
        issued = [one for one in await self._reading.case(case_id) if one.event.type == AttestationIssued.TYPE]
        if found is None or not issued:
            what = "It is issued when the case is closed: trueup cases"
            raise Refused("case_unknown", f"there is no attestation of {case_id} to export", what)
        document = attestation.parse(found[1])
        records = await self._ledger.read_positions(self._pool, [item.position for item in document.exhibits])
        if [record.raw for record in records] != [item.raw for item in document.exhibits]:
            raise Permanent("sealed_event_changed", f"the ledger does not hold the records of {case_id} any more")
        return document, sorted([*records, issued[-1]], key=lambda record: record.position)

    def _made(
        self, document: Attestation, records: list[Recorded], placed: list[Placed], checkpoint: Checkpoint
    ) -> bytes:
        page = pages.page(document)
        others = {
            **bundle.files(document, page, {record.event.type for record in records}),
            bundles.PDF: pdf(page),
            "extracts/case.xlsx": xlsx(page),
        }
        note = Proof.parse(placed[0].proof).checkpoint
        told = {"origin": checkpoint.origin, "size": checkpoint.size, "root": encode_base64(checkpoint.root)}
        predicate = bundle.predicate(document, told)
        return bundles.assemble(placed, note, self._policy(), others, predicate, self._signing())
