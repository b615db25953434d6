"""Getting on the bus: addresses and credentials, the realm's topics, and which cluster answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from faststream.security import BaseSecurity, SASLScram512

from common.errors import Transient
from common.topics import TOPICS, Topic

REQUEST_TIMEOUT_MS = 10_000
MAX_MESSAGE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the bus of `realm` is and as whom `service` logs in. Without a user there is no authentication."""

    realm: str
    service: str
    brokers: str
    user: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"Address({self.realm}, {self.service}, {self.brokers})"

    @property
    def group(self) -> str:
        """The consumer group, which is also the prefix that the broker's rules allow."""
        return f"trueup.{self.realm}.{self.service}"

    def topic(self, topic: Topic) -> str:
        """The topic's name on the bus."""
        return topic.full_name(self.realm)

    @property
    def client_options(self) -> dict[str, Any]:
        """What aiokafka's clients take."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.brokers,
            "client_id": self.group,
            "request_timeout_ms": REQUEST_TIMEOUT_MS,
        }
        if self.user is not None:
            options |= {
                "security_protocol": "SASL_PLAINTEXT",
                "sasl_mechanism": "SCRAM-SHA-512",
                "sasl_plain_username": self.user,
                "sasl_plain_password": self.password,
            }
        return options

    @property
    def security(self) -> BaseSecurity | None:
        """What FastStream takes."""
        if self.user is None:
            return None
        return SASLScram512(username=self.user, password=self.password or "", use_ssl=False)

    def producer(self) -> AIOKafkaProducer:
        """A producer, not started, that waits for all replicas.

        Idempotent where the broker has users: the embedded one, which has none, can't do it.
        """
        return AIOKafkaProducer(
            **self.client_options,
            acks="all",
            enable_idempotence=self.user is not None,
            max_request_size=MAX_MESSAGE_BYTES,
            max_batch_size=256 * 1024,
            linger_ms=0,
        )


@dataclass(slots=True)
class Cluster:
    """The brokers, as an administrator's client sees them."""

    client: Any

    async def identity(self) -> str:
        """The cluster's id. Another one at the same address is another cluster: what was on the bus is gone.

        Asked every second by every service, and so without the topics, which `describe_cluster` asks for, too.
        """
        return str((await self.client._get_cluster_metadata([])).cluster_id)

    async def ensure_topics(self, address: Address) -> None:
        """Create the topics that the service uses and that don't exist.

        Raises `Transient` (`topics_missing`) where the broker doesn't let a service create topics.
        """
        wanted = {
            address.topic(topic): topic.partitions
            for topic in TOPICS
            if topic.producer in (None, address.service) or address.service in topic.consumers
        }
        known = await self._partitions(wanted)
        stunted = [name for name, count in known.items() if count < wanted[name]]
        if stunted:
            # The emptied embedded broker makes a topic for a client that still asks for it, with as many
            # partitions as it likes. What was sent to it meanwhile consumers read in the ledger.
            await self.client.delete_topics(stunted)
        missing = [name for name in wanted if name not in known or name in stunted]
        if missing:
            await self._create(address, {name: wanted[name] for name in missing})

    async def _partitions(self, names: Iterable[str]) -> dict[str, int]:
        existing = set(await self.client.list_topics())
        asked = [name for name in names if name in existing]
        if not asked:
            return {}
        found = await self.client.describe_topics(asked)
        return {topic["topic"]: len(topic["partitions"]) for topic in found if topic["error_code"] == 0}

    async def _create(self, address: Address, topics: Mapping[str, int]) -> None:
        response = await self.client.create_topics([NewTopic(name, count, 1) for name, count in topics.items()])
        for error in response.topic_errors:
            kind = for_code(error[1])
            if error[1] != 0 and kind is not TopicAlreadyExistsError:
                raise Transient(
                    "topics_missing",
                    f"the topic {error[0]} doesn't exist and can't be created by {address.service} ({kind.__name__})",
                )


@asynccontextmanager
async def cluster(address: Address) -> AsyncIterator[Cluster]:
    """A client for looking at the brokers. Raises `Transient` (`bus_unavailable`) when none answers."""
    client = AIOKafkaAdminClient(**address.client_options)
    try:
        await client.start()
        yield Cluster(client)
    except (KafkaError, OSError) as error:
        raise Transient("bus_unavailable", f"no broker answers at {address.brokers}: {error!r}") from error
    finally:
        await client.close()
