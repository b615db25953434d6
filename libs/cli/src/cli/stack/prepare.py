"""A realm on servers that somebody else runs: what compose and Kubernetes run once before the services.

Told by its environment: TRUEUP_REALM, TRUEUP_ADMIN_DATABASE_URL, TRUEUP_PASSWORDS (path of a JSON object with a
password for each service and for `reader`), TRUEUP_BROKERS and, where the broker has users, TRUEUP_KAFKA_USER and
TRUEUP_KAFKA_PASSWORD of its administrator.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from common.topics import SERVICES
from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from cli.stack import realm
from cli.stack.cluster import Credentials
from cli.stack.errors import StackError
from cli.stack.secretfiles import Passwords


class PrepareSettings(BaseSettings):
    """The environment of the one-off job. Secrets don't print."""

    model_config = SettingsConfigDict(env_prefix="TRUEUP_", frozen=True, extra="ignore")

    realm: str
    admin_database_url: SecretStr
    passwords: Path
    brokers: str
    kafka_user: str | None = None
    kafka_password: SecretStr | None = None


@dataclass(frozen=True, slots=True)
class GivenServer:
    """A PostgreSQL of somebody else's, with an administrator's address."""

    admin_url: str


@dataclass(frozen=True, slots=True)
class GivenBus:
    """A broker of somebody else's, with its administrator's login."""

    address: str
    administrator: Credentials | None

    def credentials(self, user: str) -> Credentials | None:  # noqa: ARG002 - only the administrator is known
        return self.administrator


def prepare() -> str:
    """Create what is missing and return what was prepared. Repeatable."""
    try:
        settings = PrepareSettings()
    except ValidationError as error:
        missing = ", ".join(f"TRUEUP_{str(problem['loc'][0]).upper()}" for problem in error.errors())
        raise StackError(
            "prepare_settings",
            f"The environment does not say all that is needed: {missing}.",
            "Set these; docker-compose.yml and deploy/k8s/prepare.yaml show how.",
        ) from error
    passwords = Passwords(settings.passwords)
    lacking = [role for role in realm.ROLES if not passwords.all().get(role)]
    if lacking:
        raise StackError(
            "prepare_passwords",
            f"{settings.passwords} has no password for {', '.join(lacking)}.",
            f"Give one for each of {', '.join((*SERVICES, 'reader'))}.",
        )
    server = GivenServer(settings.admin_database_url.get_secret_value())
    secret = settings.kafka_password.get_secret_value() if settings.kafka_password else ""
    login = Credentials(settings.kafka_user, secret) if settings.kafka_user else None
    ran = realm.prepare_database(server, settings.realm, passwords)
    realm.prepare_bus(GivenBus(settings.brokers, login), settings.realm)
    migrated = f" Migrations that ran: {', '.join(migration.title for migration in ran)}." if ran else ""
    return (
        f"Realm {settings.realm}: database {realm.database_name(settings.realm)} and topics are there.{migrated}"
        + to_take_away(realm.still_open(server, settings.realm))
    )


def to_take_away(functions: list[str]) -> str:
    """What to tell of functions that every login may still call; nothing where there are none."""
    if not functions:
        return ""
    return (
        " This administrator is no superuser, so every login can still store what nothing audits. "
        f"Have a superuser run in that database: REVOKE EXECUTE ON FUNCTION {', '.join(functions)} FROM PUBLIC;"
    )
