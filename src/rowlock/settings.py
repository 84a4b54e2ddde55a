"""All settings, read from the environment; docs/reference/settings.md describes them in full."""

import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from rowlock.base.hold_limits import HoldLimits, parse_limits
from rowlock.base.mail_settings import Sender, SmtpServer

_PUBLIC_URL = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?/?")


class Settings(BaseSettings):
    """Settings of one process, from environment variables named ROWLOCK_… and DATABASE_URL.

    database_url         DSN of the owner of the database; without it the embedded PostgreSQL of `data_dir` is used.
    app_database_url     DSN of a separate login for the application; without it the owner's login is used and
                         every connection sets the role rowlock_app.
    office_database_url  the same for what staff do, and rowlock_office.
    worker_database_url  the same for money, jobs and cleanup, and rowlock_worker.
    v1_database_url      the same for the version 1 fallback and rowlock_v1.
    data_dir             folder of the embedded PostgreSQL and the instance's secrets.
    admin_api_key        the key that /api/admin requires; without it `rowlock up` makes one.
    ticket_keys_file     the file of the keys that sign ticket codes; without it the one in `data_dir`.
    secret_key           signs session cookies and derives the answers to repeated requests; without it the one in
                         `data_dir` is used.
    admission_key        what a queue in front signs admissions with; without it nobody needs one to reserve.
    v2_rollout_percent   share of version 1 requests, by session, that version 2 code serves.
    pool_size            connections to the database per process. More than two per core make it slower.
    max_connections      connections of clients per process.
    forwarded_allow_ips  proxies whose X-Forwarded-For is trusted, comma-separated, or "*".
    secure_cookies       send the session cookie over HTTPS only, as a `__Host-` cookie.
    public_url           address of the site for buyers, such as https://tickets.example.org.
    allowed_hosts        other names that requests may be for, comma-separated; without these two, any name.
    hold_limits          what one client address may hold in a show, as in "seats=60 new=100", or "off".
    payment_provider     where organizations without an account of their own are paid: sandbox, manual, stripe, or the
                         name of an installed one, whose settings are ROWLOCK_{NAME}_….
    stripe_…             of the provider stripe; docs/reference/settings.md has each.
    sandbox_webhook_url  address of a server that takes the sandbox's webhooks, for a worker of its own.
    smtp_url             the mail server; without it mails land in the local mailbox, and are sent nowhere.
    mail_from            whom mails come from, such as "Moonlight <tickets@example.org>".
    log_format           "json" for programs, "console" for people.
    """

    model_config = SettingsConfigDict(env_prefix="ROWLOCK_", extra="ignore", populate_by_name=True)

    database_url: Annotated[SecretStr | None, Field(validation_alias="DATABASE_URL")] = None
    app_database_url: SecretStr | None = None
    office_database_url: SecretStr | None = None
    worker_database_url: SecretStr | None = None
    v1_database_url: SecretStr | None = None
    data_dir: Path = Path(".rowlock")
    admin_api_key: SecretStr | None = None
    secret_key: SecretStr | None = None
    admission_key: SecretStr | None = None
    ticket_keys_file: Path | None = None
    v2_rollout_percent: Annotated[int, Field(ge=0, le=100)] = 100
    pool_size: Annotated[int, Field(ge=1, le=100)] = 4
    max_connections: Annotated[int, Field(ge=10, le=60_000)] = 10_000
    forwarded_allow_ips: str = "127.0.0.1"
    secure_cookies: bool = False
    public_url: str | None = None
    allowed_hosts: str | None = None
    hold_limits: str = str(HoldLimits())
    payment_provider: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")] = "sandbox"
    stripe_secret_key: SecretStr | None = None
    stripe_publishable_key: str | None = None
    stripe_webhook_secret: SecretStr | None = None
    stripe_api_base: str | None = None
    stripe_capture: Literal["later", "mixed"] = "later"
    sandbox_webhook_url: str | None = None
    smtp_url: SecretStr | None = None
    mail_from: Annotated[str | None, Field(validate_default=True)] = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "json"

    def addresses(self) -> dict[str, str]:
        """The connection strings that are set, by the names of their environment variables."""
        urls = {
            "DATABASE_URL": self.database_url,
            "ROWLOCK_APP_DATABASE_URL": self.app_database_url,
            "ROWLOCK_OFFICE_DATABASE_URL": self.office_database_url,
            "ROWLOCK_WORKER_DATABASE_URL": self.worker_database_url,
            "ROWLOCK_V1_DATABASE_URL": self.v1_database_url,
        }
        return {name: url.get_secret_value() for name, url in urls.items() if url is not None}

    def of_provider(self, name: str) -> dict[str, str]:
        """The settings of a payment provider, by their names without the prefix; of others from the environment."""
        if name == "stripe":
            stripe = {
                "secret_key": _revealed(self.stripe_secret_key),
                "publishable_key": self.stripe_publishable_key,
                "webhook_secret": _revealed(self.stripe_webhook_secret),
                "api_base": self.stripe_api_base,
                "capture": self.stripe_capture,
            }
            return {setting: value for setting, value in stripe.items() if value is not None}
        prefix = f"ROWLOCK_{name.upper()}_"
        found = {variable.upper(): value for variable, value in os.environ.items()}
        return {
            variable.removeprefix(prefix).lower(): value
            for variable, value in found.items()
            if variable.startswith(prefix)
        }

    @field_validator("public_url", "sandbox_webhook_url")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is not None and not _PUBLIC_URL.fullmatch(value):
            raise ValueError("it is a scheme, a host and perhaps a port, such as https://tickets.example.org")
        return value

    @field_validator("hold_limits")
    @classmethod
    def _are_limits(cls, value: str) -> str:
        parse_limits(value)
        return value

    @field_validator("smtp_url")
    @classmethod
    def _is_a_mail_server(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            SmtpServer.parse(value.get_secret_value())
        return value

    @field_validator("mail_from")
    @classmethod
    def _is_a_sender(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            Sender.parse(value)
        elif info.data.get("smtp_url") is not None:
            raise ValueError("it is needed with ROWLOCK_SMTP_URL: the address that mails come from")
        return value

    def hosts(self) -> list[str]:
        """The names that requests may be for; none means any."""
        hosts = [host.strip() for host in (self.allowed_hosts or "").split(",") if host.strip()]
        return hosts if self.public_url is None else [urlsplit(self.public_url).netloc, *hosts]


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
