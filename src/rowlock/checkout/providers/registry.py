"""Finds payment providers by their entry points, and knows the account that each organization is paid on.

An installation has one account for every organization without one of its own. An organization's own account stands in
payment_accounts.json of the data folder, outside the database. What a provider does is its own module's.
"""

import hmac
import json
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from importlib.metadata import entry_points
from pathlib import Path
from uuid import UUID

from rowlock.checkout.providers import store
from rowlock.checkout.providers.payment_provider import (
    PaymentProvider,
    ProviderEvent,
    ProviderRefusedError,
    WebhookRefusedError,
)
from rowlock.checkout.providers.provider_account import INSTALLATION, ProviderAccount, ProviderSettingsError
from rowlock.database.calls import call
from rowlock.database.cells import Cells

GROUP = "rowlock.payment_providers"
ACCOUNTS_FILE = "payment_accounts.json"
MOST_ACCOUNT_BYTES = 1024 * 1024

Factory = Callable[[ProviderAccount], PaymentProvider]
"""What an entry point names: makes a provider. Raises ProviderSettingsError; connects to nothing yet."""


class UnknownProviderError(LookupError):
    """There is no account at a provider of this name."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What accounts are read from.

    provider   the provider of the installation's own account (ROWLOCK_PAYMENT_PROVIDER).
    settings   the installation's settings of a provider, by its name: short names to values.
    data_dir   the folder with payment_accounts.json.
    secret     the installation's secret, from which each provider's is derived.
    """

    provider: str
    settings: Callable[[str], Mapping[str, str]] = field(repr=False)
    data_dir: Path
    secret: str = field(repr=False)
    public_url: str | None
    cells: Cells = field(repr=False)


class PaymentProviders:
    """The accounts of an installation. An organization's payments never reach another organization's account."""

    def __init__(self, cells: Cells, default: PaymentProvider, own: Mapping[str, PaymentProvider]) -> None:
        self._cells = cells
        self._default = default
        self._own = dict(own)
        self._by_organization: dict[UUID, PaymentProvider] | None = {} if not own else None

    async def open(self) -> None:
        """Find the organizations of payment_accounts.json. Raises ProviderSettingsError for one that is not there.

        An account of an organization that cannot be found must not be left out: its money would go to the
        installation's account.
        """
        names = [name for name in self._own if _as_id(name) is None]
        found = {}
        if names:
            found = await call(
                self._cells.catalogue.app,
                lambda connection: store.organizations_by_slug(connection, names),
                repeatable=True,
                reads=True,
            )
        by_organization: dict[UUID, PaymentProvider] = {}
        for name, provider in self._own.items():
            organization_id = _as_id(name) or found.get(name)
            if organization_id is None:
                raise ProviderSettingsError(
                    f'There is no organization with the slug "{name}" that {ACCOUNTS_FILE} has an account for. '
                    "Name it by its slug or its id, or take the entry out."
                )
            if organization_id in by_organization:
                raise ProviderSettingsError(
                    f'{ACCOUNTS_FILE} has two accounts for the organization "{name}". Take one of them out.'
                )
            by_organization[organization_id] = provider
        self._by_organization = by_organization

    def provider_of(self, organization_id: UUID) -> PaymentProvider:
        """The organization's own account, or the installation's. Never another organization's."""
        assert self._by_organization is not None, "accounts of organizations are known after open()"
        return self._by_organization.get(organization_id, self._default)

    def of(self, organization_id: UUID, name: str | None = None, account: str | None = None) -> PaymentProvider:
        """As `provider_of`; with a name the account there, also when the organization sells with another one by now.

        account  as `account_of` has told it when the payment was made. None for a payment of an earlier release.

        Raises ProviderRefusedError when there is none of that name.
        """
        if account is not None:
            found = self.accounts().get(account)
            if found is None or name not in (None, found.name):
                raise ProviderRefusedError(f"there is no account at {name} for {account} any more", "no_account")
            return found
        own = self.provider_of(organization_id)
        for provider in (own, self._default):
            if name in (None, provider.name):
                return provider
        raise ProviderRefusedError(f"there is no account at {name} any more", "no_account")

    def account_of(self, organization_id: UUID) -> str:
        """Whose account an organization sells with now: INSTALLATION, or its own id."""
        assert self._by_organization is not None, "accounts of organizations are known after open()"
        return str(organization_id) if organization_id in self._by_organization else INSTALLATION

    def accounts(self) -> dict[str, PaymentProvider]:
        """Every account, by whose it is."""
        assert self._by_organization is not None, "accounts of organizations are known after open()"
        own = {str(organization_id): provider for organization_id, provider in self._by_organization.items()}
        return {INSTALLATION: self._default, **own}

    def every(self) -> tuple[PaymentProvider, ...]:
        """Every account, for work on all of them, such as reconciling."""
        return (self._default, *self._own.values())

    def named(self, name: str) -> tuple[PaymentProvider, ...]:
        """Every account at the provider of this name."""
        return tuple(provider for provider in self.every() if provider.name == name)

    def parse_webhook(
        self, name: str, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> tuple[PaymentProvider, ProviderEvent]:
        """The event of a webhook, and the account that it is from: fetch what it is about there and nowhere else.

        Raises UnknownProviderError, or WebhookRefusedError when it is from none of the accounts.
        """
        accounts = self.named(name)
        if not accounts:
            raise UnknownProviderError(f"there is no account at a provider called {name}")
        refusals: list[str] = []
        for provider in accounts:
            try:
                return provider, provider.parse_webhook(headers, body, now)
            except WebhookRefusedError as error:
                refusals.append(str(error))
        raise WebhookRefusedError("; ".join(dict.fromkeys(refusals)))

    async def close(self) -> None:
        """Close the connections of every provider."""
        for provider in self.every():
            await provider.close()


def make_providers(installation: Installation) -> PaymentProviders:
    """Every account of an installation. Reads files and settings, and asks neither database nor providers.

    Raises ProviderSettingsError when settings are incomplete, and where the sandbox would run beside a live account.
    """
    default = _make(installation, INSTALLATION, installation.provider, installation.settings(installation.provider))
    own = {
        name: _make(installation, name, provider, settings)
        for name, (provider, settings) in read_accounts(installation.data_dir / ACCOUNTS_FILE).items()
    }
    providers = PaymentProviders(installation.cells, default, own)
    _refuse_sandbox_beside_live(installation, providers)
    return providers


def read_accounts(path: Path) -> dict[str, tuple[str, dict[str, str]]]:
    """The accounts of organizations: slug or id → provider and settings. Raises ProviderSettingsError."""
    try:
        mode = path.stat()
        if stat.S_IMODE(mode.st_mode) & 0o077:
            raise ProviderSettingsError(f"{path} can be read by others, and has keys in it. Run: chmod 600 {path}")
        if mode.st_size > MOST_ACCOUNT_BYTES:
            raise ProviderSettingsError(f"{path} has more than {MOST_ACCOUNT_BYTES:,} bytes.")
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_without_repeats)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ProviderSettingsError(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        # Not the text around the place: it may be a key.
        raise ProviderSettingsError(f"{path} is not valid: {_place(error)}.") from None
    if not isinstance(content, dict):
        raise ProviderSettingsError(f"{path} has to be an object: the slug of each organization, and its account.")
    return {name: _account(path, name, entry) for name, entry in content.items()}


def _account(path: Path, name: str, entry: object) -> tuple[str, dict[str, str]]:
    if not name or not isinstance(entry, dict) or not all(isinstance(value, str) for value in entry.values()):
        raise ProviderSettingsError(
            f'{path}: "{name}" has to be an object of texts, such as {{"provider": "stripe", …}}.'
        )
    settings = dict(entry)
    provider = settings.pop("provider", "")
    if not provider:
        raise ProviderSettingsError(f'{path}: "{name}" has no "provider".')
    return provider, settings


class _RepeatedNameError(ValueError):
    """An object has a name twice."""


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise _RepeatedNameError(f'"{name}" is there twice')
    return dict(pairs)


def _place(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} in line {error.lineno}"
    return str(error) if isinstance(error, _RepeatedNameError) else "it is not UTF-8"


def _make(installation: Installation, label: str, name: str, settings: Mapping[str, str]) -> PaymentProvider:
    account = ProviderAccount(
        provider=name,
        label=label,
        settings=settings,
        platform=installation.settings(name),
        secret=hmac.digest(installation.secret.encode(), f"payment provider {name}".encode(), sha256),
        public_url=installation.public_url,
        cells=installation.cells,
    )
    found = entry_points(group=GROUP, name=name)
    if not found:
        known = ", ".join(sorted({entry.name for entry in entry_points(group=GROUP)}))
        where = "ROWLOCK_PAYMENT_PROVIDER" if account.is_of_installation else f'"{label}" in {ACCOUNTS_FILE}'
        raise ProviderSettingsError(
            f"{where} names the payment provider {name}, which is not installed. There are {known}."
        )
    factory: Factory = next(iter(found)).load()
    return factory(account)


def _refuse_sandbox_beside_live(installation: Installation, providers: PaymentProviders) -> None:
    """Tickets for play money beside tickets for real money: nobody could tell them apart at the door."""
    if not providers.named("sandbox"):
        return
    live = [provider.name for provider in providers.every() if is_live(provider)]
    if not live and any("_live_" in value for value in installation.settings("stripe").values()):
        live = ["stripe"]
    if live:
        raise ProviderSettingsError(
            f"The sandbox does not run where a live provider ({live[0]}) is configured: whoever pays there pays "
            "nothing. Set ROWLOCK_PAYMENT_PROVIDER to the live one, and give no organization the sandbox in "
            "payment_accounts.json."
        )


def is_live(provider: PaymentProvider) -> bool:
    """Whether an account takes real money. A provider that does not say `is_live = False` is taken to."""
    return bool(getattr(provider, "is_live", True))


def _as_id(name: str) -> UUID | None:
    with suppress(ValueError):
        return UUID(name)
    return None
