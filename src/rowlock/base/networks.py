"""The network address that a client's holds count for in the limits."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

UNKNOWN_NETWORK = "0.0.0.0"  # noqa: S104 - nothing listens here: all clients without a readable address count as this one.
ADDRESS_LENGTH = 45
"""No text of an IP address is longer."""
# A client of IPv6 chooses freely among the addresses of its network, and is given at least one of this size.
_PREFIX_BITS = 64


def client_network(address: str, server_address: str | None = None) -> str | None:
    """The network of a client's address, as PostgreSQL's inet takes it: of IPv6 the first 64 bits.

    None for the machine's own addresses: the loopback ones, and the one at which the client was answered.
    """
    if address == server_address:
        return None
    return _network(address) if len(address) <= ADDRESS_LENGTH else UNKNOWN_NETWORK


@lru_cache(maxsize=10_000)
def _network(text: str) -> str | None:
    try:
        address: IPv4Address | IPv6Address = ip_address(text.partition("%")[0])
    except ValueError:
        return UNKNOWN_NETWORK
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_loopback:
        return None
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, _PREFIX_BITS), strict=False))
    return str(address)
