"""What counts as one client."""

import pytest

from rowlock.base.networks import UNKNOWN_NETWORK, client_network


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("10.0.0.1", "10.0.0.1"),
        ("127.0.0.1", None),
        ("127.250.1.1", None),
        ("::1", None),
        ("::ffff:127.0.0.1", None),
        ("", UNKNOWN_NETWORK),
        ("unknown", UNKNOWN_NETWORK),
        ("203.0.113.9:4711", UNKNOWN_NETWORK),
        ("1" * 10_000, UNKNOWN_NETWORK),
    ],
)
def test_the_network_of_an_address(address: str, network: str | None) -> None:
    assert client_network(address) == network


def test_the_address_at_which_a_request_arrives_is_the_machines_own() -> None:
    assert client_network("10.0.0.1", "10.0.0.1") is None
    assert client_network("10.0.0.2", "10.0.0.1") == "10.0.0.2"
