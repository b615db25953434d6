"""The bus: the relay that publishes what was committed, and the one factory of consumers."""

from common.bus.bus import Bus, State
from common.bus.connection import Address
from common.bus.consumer import Consumer, Handler
from common.bus.listening import Listener
from common.bus.producer import Publisher, publisher
from common.bus.raw import RawConsumer, RawHandler, RawRecord, Rejected

__all__ = [
    "Address",
    "Bus",
    "Consumer",
    "Handler",
    "Listener",
    "Publisher",
    "RawConsumer",
    "RawHandler",
    "RawRecord",
    "Rejected",
    "State",
    "publisher",
]
