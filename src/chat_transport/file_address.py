"""Where a file may be fetched: a host's addresses, looked up once and each checked.

Rule: what was checked is what is connected to, so that a name which changes its address between the
two gains nothing. No HTTP library is imported here.
Source: the registries of special addresses of IANA, by `ipaddress`; RFC 4291 (mapped and compatible
addresses), RFC 3056 (6to4), RFC 6052 (NAT64).
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

import anyio

from .errors import LocalProtocolError

__all__ = ["FileAddress", "Resolve", "check_public", "file_address", "look_up"]

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the addresses of a host, best first; raises OSError if there is none. `look_up` asks the
system."""

HTTPS_PORT = 443
UNICAST = ipaddress.ip_network("2000::/3")
"""The only IPv6 addresses that are given out to hosts of the public network."""
NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""A network without IPv4 reaches it by these: the last 32 bits are the address meant."""

SPECIAL = tuple(
    ipaddress.ip_network(network)
    for network in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "3fff::/20")
)
"""Of IANA's registries, what `ipaddress` of Python 3.11 or a later one takes for public: protocol
assignments with Teredo, relays of 6to4, documentation."""

Ip: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAddress:
    """One https address of a file, and where its host is.

    Attributes:
        url: As it was given, by a user or by a redirect.
        host: Its name: for the `Host` header, and the one that the certificate must be for.
        port: Its port.
        addresses: Where the name led, each checked. Connect to one of these and look up nothing.
    """

    url: str
    host: str
    port: int
    addresses: tuple[str, ...]

    @property
    def host_header(self) -> str:
        """What the `Host` header says."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == HTTPS_PORT else f"{name}:{self.port}"

    def at(self, address: str) -> str:
        """Give the URL with an address in place of the name."""
        place = f"[{address}]" if ":" in address else address
        split = urlsplit(self.url)
        return SplitResult("https", f"{place}:{self.port}", split.path, split.query, "").geturl()


async def look_up(host: str, port: int) -> Sequence[str]:
    """Give a host's addresses as the system knows them, in the order to try them.

    Raises:
        OSError: If it knows none.
    """
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(place[0]) for *_, place in found]


async def file_address(
    url: str, *, resolve: Resolve = look_up, allows_private: bool = False
) -> FileAddress:
    """Look a file's host up, once, and check every address that it has.

    Args:
        url: An https address.
        resolve: Looks the host up.
        allows_private: Take addresses outside the public network, too.

    Raises:
        LocalProtocolError: If the URL cannot be read, the host is not found, or one of its
            addresses is not public.
    """
    try:
        split = urlsplit(url)
        host, port = _in_ascii(split.hostname or ""), split.port or HTTPS_PORT
    except ValueError as error:
        raise LocalProtocolError(f"unable to read address {url!r} of a file: {error}") from error
    try:
        found = tuple(dict.fromkeys(await resolve(host, port)))
    except OSError as error:
        raise LocalProtocolError(f"unable to find host {host!r} of a file: {error}") from error
    if not found:
        raise LocalProtocolError(f"unable to find host {host!r} of a file: it has no address")
    if not allows_private:
        for address in found:
            check_public(address, host=host)
    return FileAddress(url=url, host=host, port=port, addresses=found)


def _in_ascii(host: str) -> str:
    return host if host.isascii() else host.encode("idna").decode()


def check_public(address: str, *, host: str) -> None:
    """Refuse an address that is not one of the public network, however it is written.

    Raises:
        LocalProtocolError: If it is private, local, shared, reserved, for many, or for no host.
    """
    meant = _meant(ipaddress.ip_address(address.partition("%")[0]))
    if not _is_public(meant):
        raise LocalProtocolError(
            f"unable to fetch from host {host!r}; its address {address} is not a public one: "
            "pass allows_private=True if it may be asked"
        )


def _is_public(address: Ip) -> bool:
    if address.is_multicast or not address.is_global:
        return False
    if any(address in network for network in SPECIAL):
        return False
    return address in UNICAST if address.version == 6 else not address.is_reserved


def _meant(address: Ip) -> Ip:
    """Give the IPv4 address that an IPv6 address stands for, where it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address
