"""The holder of a request, and the details of the request that the audit log keeps."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Holder:
    """The client that holds or reserves seats. `key` identifies it within a show; empty when a token proves the holder.

    session_id  the session id that the client sent, or the key of its session cookie.
    ip_address  in a form that PostgreSQL's `inet` accepts.
    user_agent  printable, at most 400 characters.
    network     the address that its holds count for in the limits; None for a client without limits.
    """

    key: str
    session_id: str | None = None
    ip_address: str | None = None
    user_agent: str | None = None
    network: str | None = None
