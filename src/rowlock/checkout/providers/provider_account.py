"""What a payment provider is made from: the settings of one account, and what the installation lends to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rowlock.database.cells import Cells

INSTALLATION = "installation"
"""The label of the account that is used for every organization without one of its own."""


class ProviderSettingsError(Exception):
    """An account's settings are missing or wrong. The message names the setting, what is allowed, and what to do."""


@dataclass(frozen=True, slots=True)
class ProviderAccount:
    """One account at one provider, before it is connected.

    provider   its name, such as "stripe".
    label      whose account it is: INSTALLATION, or the organization as payment_accounts.json has it.
    settings   of this account, by their short names, such as "secret_key".
    platform   settings of the installation for this provider, which an organization's account may refer to.
    secret     a secret of this installation for this provider, to sign with; the same in every process.
    public_url the address of the site for buyers; None when there is none.
    cells      the database, for providers that keep their state with us.
    """

    provider: str
    label: str
    settings: Mapping[str, str] = field(repr=False)
    platform: Mapping[str, str] = field(repr=False)
    secret: bytes = field(repr=False)
    public_url: str | None
    cells: Cells = field(repr=False)

    @property
    def is_of_installation(self) -> bool:
        """Whether this is the account for every organization without one of its own."""
        return self.label == INSTALLATION

    def name_of(self, setting: str) -> str:
        """How an operator knows a setting: its environment variable, or its place in payment_accounts.json."""
        if self.is_of_installation:
            return f"ROWLOCK_{self.provider}_{setting}".upper().replace("-", "_")
        return f'"{setting}" of "{self.label}" in payment_accounts.json'

    def required(self, setting: str) -> str:
        """A setting that has to be there. Raises ProviderSettingsError."""
        value = self.settings.get(setting, "").strip()
        if not value:
            raise ProviderSettingsError(f"{self.name_of(setting)} is missing. The provider {self.provider} needs it.")
        return value

    def refuse_unknown(self, *known: str) -> None:
        """Raise ProviderSettingsError for a setting of an organization that this provider does not have."""
        unknown = sorted(self.settings.keys() - set(known))
        if unknown and not self.is_of_installation:
            raise ProviderSettingsError(
                f"{self.name_of(unknown[0])} is no setting of the provider {self.provider}. "
                f"It has {', '.join(known) if known else 'none'}."
            )
