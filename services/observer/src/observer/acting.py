"""What two people have signed carried out: a subject's key destroyed, by a message and again at every start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from common.directory import Directory
from common.erasures import Erasure, check_whole, fold
from common.errors import Transient
from common.events.approver import ErasureApproved
from common.failpoints import failpoint
from common.ledger import AppendRefused, Connection, Recorded
from common.sealing import Subject
from common.subject_keys import SubjectKeyStore

from observer.core import moments, personal
from observer.ports import Records


class Eraser:
    """Destroys subject keys, for what two people have signed. Works inside the caller's transaction; may be done
    again.

    The observer checks request and approval itself, by its own directory: whoever can write to the ledger in the
    approver's name destroys nothing.
    """

    def __init__(
        self,
        records: Records,
        subject_keys: SubjectKeyStore | None,
        directory: Callable[[], Directory] | None,
        wall: Callable[[], datetime],
    ) -> None:
        self._records = records
        self._subject_keys = subject_keys
        self._directory = directory
        self._wall = wall

    async def on_erasures(self, connection: Connection, batch: Sequence[Recorded]) -> None:
        """Carry out what was approved. Raises `Refused` for what no two people who may have signed."""
        approved = dict.fromkeys(
            (item.event.data["entity_type"], item.event.data["key"])
            for item in batch
            if item.event.type == ErasureApproved.TYPE
        )
        for subject in approved:
            await self._erase(connection, subject)

    async def again(self, connection: Connection) -> int:
        """Destroy every key again that was destroyed before: the file may have come back from a backup. How many."""
        if self._subject_keys is None:
            return 0
        said = await self._records.erased(connection)
        done = dict.fromkeys((event.data["entity_type"], event.data["key"]) for event in said)
        keys = await self._subject_keys.read(done)
        back = 0
        for subject in done:
            if subject in keys and keys[subject].secret is None:
                continue
            erasure = await self._erasure(connection, subject)
            if erasure.done is not None:  # what only says so destroys nothing
                await self._subject_keys.destroy(subject, str(erasure.done.data["approval"]))
                back += 1
        return back

    async def _erasure(self, connection: Connection, subject: Subject) -> Erasure:
        if self._directory is None:
            raise Transient("directory_missing", "TRUEUP_DIRECTORY does not say who may approve an erasure")
        events = await self._records.erasure(connection, subject)
        return fold(events, self._directory()).get(subject, Erasure(subject))

    async def _erase(self, connection: Connection, subject: Subject) -> None:
        """Also where the ledger says that it is done: that may be another's word, and doing it again changes
        nothing."""
        erasure = await self._erasure(connection, subject)
        check_whole(erasure)
        assert erasure.approval is not None
        await self._keys().destroy(subject, erasure.approval.id)
        failpoint("observer.key_destroyed")
        payloads = await self._records.erase_payloads(connection, subject)
        clock = await self._records.clock(connection)
        event = personal.erased(erasure.approval, subject, payloads, moments.moment(clock, self._wall()))
        result = await self._records.append(connection, [[event]])
        if isinstance(result[0], AppendRefused):
            # What it says is right: the database's rights are to blame, or this machine's clock, or another writer.
            raise Transient(result[0].reason_code, f"the ledger refused an erasure: {result[0].message}")

    def _keys(self) -> SubjectKeyStore:
        if self._subject_keys is None:
            raise Transient("subject_keys_missing", "TRUEUP_SUBJECT_KEYS does not say where the keys are")
        return self._subject_keys
