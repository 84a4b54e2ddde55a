"""Calls of payment providers: which account is asked, and how long a task waits for it in all."""

import asyncio
from collections.abc import Awaitable
from contextvars import ContextVar
from typing import Self, TypeVar
from uuid import UUID

from rowlock.checkout.providers.payment_provider import (
    PaymentProvider,
    ProviderError,
    ProviderRefusedError,
    Providers,
    ProviderUnavailableError,
)

REQUEST_LIMIT_SECONDS = 1.8
"""How long a request waits for a provider in all. Then it is answered PAYMENT_UNAVAILABLE, and the worker goes on."""
WORKER_LIMIT_SECONDS = 20.0
_waits_until: ContextVar[float] = ContextVar("_waits_until")
"""Until when, on the event loop's clock, this task waits for a provider, however many calls of it that takes."""
T = TypeVar("T")


class PaymentUnavailableError(Exception):
    """The payment provider cannot be asked now. Nothing is lost: the same request may be sent again.

    reason               for the operator's log: what the provider, or the list of accounts, said.
    retry_after_seconds  as the provider said; None when it did not.
    needs_operator       the provider refuses, or its account is gone: a person has to mend that.
    """

    def __init__(self, reason: str, retry_after_seconds: float | None = None, *, needs_operator: bool = False) -> None:
        super().__init__(f"the payment provider cannot be asked now: {reason}")
        self.retry_after_seconds = retry_after_seconds
        self.needs_operator = needs_operator

    @classmethod
    def of(cls, error: ProviderError) -> Self:
        """What an error of a provider means where nothing can go on without its answer."""
        if isinstance(error, ProviderUnavailableError):
            return cls(str(error), error.retry_after_seconds)
        return cls(str(error), needs_operator=True)


class ProviderCalls:
    """The accounts of all organizations, and a limit of the time that a task waits for them."""

    def __init__(self, providers: Providers, limit_seconds: float) -> None:
        self._providers = providers
        self._limit_seconds = limit_seconds

    def account(self, organization_id: UUID, name: str | None = None, account: str | None = None) -> PaymentProvider:
        """As Providers.of. Raises PaymentUnavailableError when there is no such account any more."""
        try:
            return self._providers.of(organization_id, name, account)
        except ProviderRefusedError as error:
            raise PaymentUnavailableError.of(error) from error

    def account_of(self, organization_id: UUID) -> str:
        """As Providers.account_of."""
        return self._providers.account_of(organization_id)

    def wait_from_now(self) -> None:
        """This task has the whole of its time again."""
        _waits_until.set(asyncio.get_running_loop().time() + self._limit_seconds)

    async def within(self, asking: Awaitable[T]) -> T:
        """The provider's answer. Raises ProviderUnavailableError when it, with those before it, takes too long."""
        try:
            async with asyncio.timeout_at(_waits_until.get()):
                return await asking
        except TimeoutError as error:
            raise ProviderUnavailableError("the provider took too long to answer") from error
