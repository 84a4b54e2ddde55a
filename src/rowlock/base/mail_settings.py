"""What settings say of mail: the server that takes it, and whom it comes from."""

import re
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import getaddresses
from ipaddress import ip_address
from urllib.parse import parse_qsl, unquote, urlsplit

NAME_LENGTH = 60
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_STARTTLS = {"auto": None, "required": True, "never": False}


@dataclass(frozen=True, slots=True)
class Sender:
    """Whom mails come from."""

    name: str
    address: str

    @classmethod
    def parse(cls, text: str) -> "Sender":
        """From "Moonlight <tickets@example.org>", or the address alone. Raises ValueError."""
        found = getaddresses([text])
        name, address = found[0] if len(found) == 1 else ("", "")
        if not _ADDRESS.fullmatch(address) or not text.isprintable() or len(name) > NAME_LENGTH:
            raise ValueError("it is an address such as tickets@example.org, or Moonlight <tickets@example.org>")
        return cls(name, address)

    @property
    def domain(self) -> str:
        """The part after the @, which Message-IDs end in."""
        return self.address.rpartition("@")[2]

    def message_id(self, *event: object) -> str:
        """The Message-ID of an event: always the same one for the same parts, such as a kind and the id of an order."""
        return f"<{'.'.join(str(part) for part in event)}@{self.domain}>"


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """A mail server, from a URL such as smtp://user:password@mail.example.org:587.

    tls       the connection begins with TLS (smtps://).
    starttls  None: TLS is begun if the server offers it, and a password is sent without it on this machine only.
    """

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    starttls: bool | None = None

    @classmethod
    def parse(cls, url: str) -> "SmtpServer":
        """The server of a URL. Raises ValueError, without the password."""
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        starttls = options.pop("starttls", "auto")
        try:
            port = parts.port
        except ValueError:
            port = -1
        if (
            parts.scheme not in ("smtp", "smtps")
            or not parts.hostname
            or (port is not None and not 1 <= port <= 65_535)
            or parts.path.strip("/")
            or parts.fragment
            or options
            or starttls not in _STARTTLS
            or (parts.scheme == "smtps" and "starttls" in parts.query)
            or (parts.username is None) != (parts.password is None)
        ):
            raise ValueError(
                "it is smtp://USER:PASSWORD@HOST:PORT or smtps://…, with or without ?starttls=required or never; "
                "letters such as @ in a password are written as %40"
            )
        tls = parts.scheme == "smtps"
        return cls(
            host=parts.hostname,
            port=port or (465 if tls else 587),
            username=None if parts.username is None else unquote(parts.username),
            password=None if parts.password is None else unquote(parts.password),
            tls=tls,
            starttls=_STARTTLS[starttls],
        )

    @property
    def is_here(self) -> bool:
        """Whether it runs on this machine, so that nothing crosses a network."""
        if self.host == "localhost":
            return True
        with suppress(ValueError):
            return ip_address(self.host).is_loopback
        return False
