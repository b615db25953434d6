"""Who may do what on the bus, derived from the one table of topics (`common.topics`)."""

from __future__ import annotations

from common import topics

from cli.stack.cluster import Permission

UPSTREAM = "upstream"
"""The user that systems outside publish their observations as."""

USERS = (*topics.SERVICES, UPSTREAM)


def prefix(realm: str) -> str:
    """The names of all the realm's topics and consumer groups start with this."""
    return f"trueup.{realm}."


def group_prefix(realm: str, service: str) -> str:
    """Consumer groups of a service start with this name."""
    return prefix(realm) + service


def partitions(realm: str) -> dict[str, int]:
    """Topic names of the realm and their partition counts, in loop order."""
    return {topic.full_name(realm): topic.partitions for topic in topics.TOPICS}


def of_realm(realm: str) -> list[Permission]:
    """Everything that is allowed; a broker that enforces it refuses the rest.

    A topic without a producer among the services is written by upstream, or, when nobody consumes it (the
    dead letters), by every service.
    """
    granted: list[Permission] = []
    for topic in topics.TOPICS:
        name = topic.full_name(realm)
        granted += [Permission(user, "write", "topic", name) for user in _writers(topic)]
        granted += [Permission(user, "read", "topic", name) for user in topic.consumers]
    for service in topics.SERVICES:
        # each checks at its start that all the realm's topics are there, with the right partition counts
        granted.append(Permission(service, "describe", "topic", prefix(realm), "prefixed"))
        granted.append(Permission(service, "read", "group", group_prefix(realm, service), "prefixed"))
    # aiokafka's idempotent producer asks for this right on the cluster itself
    granted += [Permission(user, "idempotent_write", "cluster", "kafka-cluster") for user in USERS]
    return granted


def _writers(topic: topics.Topic) -> tuple[str, ...]:
    if topic.producer is not None:
        return (topic.producer,)
    return (UPSTREAM,) if topic.consumers else topics.SERVICES
