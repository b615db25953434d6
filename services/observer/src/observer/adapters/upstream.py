"""The topic on which upstream systems publish. No user of the bus is tied to a feed: whoever may write the topic is
trusted to name the feed it speaks for, and the entity type's declaration says which feed may report it."""

from __future__ import annotations

from collections.abc import Sequence

from common.bus import RawConsumer, RawRecord
from common.bus.errors import reason_of
from common.errors import TrueupError
from common.ledger import Connection

from observer.core.observations import Incoming
from observer.ports import Recording

TOPIC = "observations"
MAX_RECORDS = 2_000
"""Messages in one transaction: larger ones gain nothing, and hold the ledger's lock longer."""


def upstream(recorder: Recording) -> RawConsumer:
    """The consumer of `observations`. What is wrong with a message is recorded, never dead-lettered."""

    async def handle(connection: Connection, records: Sequence[RawRecord]) -> None:
        await recorder.record(connection, [_incoming(record) for record in records])

    async def rejected(connection: Connection, record: RawRecord, error: BaseException) -> None:
        code, message = reason_of(error)
        if not isinstance(error, TrueupError):  # whatever it quotes may be out of the message
            message = f"handling it failed with {type(error).__name__}"
        await recorder.reject(connection, _incoming(record), code, message)

    return RawConsumer(TOPIC, handle, rejected, MAX_RECORDS, overlap=True)


def _incoming(record: RawRecord) -> Incoming:
    return Incoming(record.value, f"{record.topic}/{record.partition}/{record.offset}", record.headers)
