"""What every service is told by its environment. `trueup up`, compose and Kubernetes set the same variables."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The environment, `TRUEUP_*`. Services with more to know subclass it. Secrets don't print."""

    model_config = SettingsConfigDict(env_prefix="TRUEUP_", frozen=True, extra="ignore")

    realm: str = Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")
    database_url: SecretStr
    brokers: str
    kafka_user: str | None = None
    kafka_password: SecretStr | None = None
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=0, ge=0, le=65535)
    directory: Path | None = None
    subject_keys: Path | None = None
    failpoints: str = ""
    log_level: str = "INFO"


class SigningSettings(Settings):
    """Of the services that sign what they append. `signing_key`: file with the service's own private key;
    `service_keys`: file with the public keys that are trusted. Both must be set."""

    signing_key: Path | None = None
    service_keys: Path | None = None
