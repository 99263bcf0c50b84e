"""Whose address a request comes from, also behind proxies. Pure: text in, text out."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_MAPPED = IPv6Network("::ffff:0:0/96")
_HOST_BITS_OF_V6 = 64


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks in CIDR notation; a lone address is a network of one. Raises ValueError naming the text at fault.

    A v4 network written as v4-mapped v6 is that v4 network.
    """
    networks: list[Network] = []
    for text in texts:
        try:
            network = ip_network(text.strip())
        except ValueError as error:
            raise ValueError(f"{text!r} is not a network: {error}") from None
        if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
            first = network.network_address.ipv4_mapped
            network = IPv4Network((int(first or 0), network.prefixlen - 96))
        networks.append(network)
    return tuple(networks)


def parse_address(text: str) -> Address | None:
    """An address as proxies write it, with or without a port; None when it is none. v4-mapped v6 becomes v4."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    if address.scope_id is not None:  # the part behind % is any text at all
        address = IPv6Address(int(address))
    return address.ipv4_mapped or address


def subscriber(address: str) -> str:
    """Who counts as the sender behind an address: it itself; of v6 its first 64 bits, since one line has all others."""
    parsed = parse_address(address)
    if parsed is None or parsed.version == 4:
        return str(parsed or address)
    return f"{int(parsed) >> _HOST_BITS_OF_V6:016x}"


def within(address: Address, networks: Sequence[Network]) -> bool:
    """Whether any of the networks holds the address."""
    return any(address in network for network in networks)


def client_address(peer: str, forwarded_for: str | None, trusted_proxies: Sequence[Network]) -> str:
    """The nearest address that is no trusted proxy: the peer's, else `X-Forwarded-For` read from its right end.

    Whoever sends a request can write any left end, so nothing is believed beyond the first address that is not a
    trusted proxy's. An entry that is no address ends the walk at the last good one. Several headers of that name are
    joined with commas by the caller. A peer that is no address (a local socket) comes back as it is.
    """
    current = parse_address(peer)
    if current is None:
        return peer
    for entry in reversed(forwarded_for.split(",") if forwarded_for else []):
        if not within(current, trusted_proxies):
            break
        before = parse_address(entry)
        if before is None:
            break
        current = before
    return str(current)
