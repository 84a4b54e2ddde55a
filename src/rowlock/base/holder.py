"""Who asks for something, and what the audit log keeps of the request."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds seats, or wants to. `key` is the holder's identity within a show; empty when a token is proof enough.

    session_id  the session as the client named it, or the key of its session cookie.
    ip_address  as PostgreSQL's `inet` takes it.
    user_agent  printable, at most 400 characters.
    """

    key: str
    session_id: str | None = None
    ip_address: str | None = None
    user_agent: str | None = None
