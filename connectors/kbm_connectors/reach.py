"""Which addresses a connector may connect to, and how often.

A source's address is typed by a person and its name resolved by a server that may change its answer: a name that
was public when it was looked up can be ``169.254.169.254`` when it is connected to. So a name is resolved once,
*every* address it has must be allowed, and the connection goes to exactly that address.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Callable

from kbm.errors import ConnectorRefused, ConnectorUnavailable

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def address_of(source: str, host: str, port: int, *, allow_private: bool) -> str:
    """Resolve *host* to the address to connect to.

    Raises:
        ConnectorRefused: it lies inside this network and the source does not say ``allow_private = true``.
        ConnectorUnavailable: the name is not known at present.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "no such name"
        raise ConnectorUnavailable(
            f"source {source}: the name {host} cannot be resolved: {why.lower()}",
            hint="check the spelling of url and the name server of this machine",
        ) from None
    addresses = [str(one[4][0]) for one in found]
    inside = next((address for address in addresses if not is_public(address)), None)
    if inside is not None and not allow_private:
        raise ConnectorRefused(
            f"source {source}: {host} is {inside}, an address inside this network",
            hint=f"if that is meant, add allow_private = true to [sources.{source}]",
        )
    return addresses[0]


def is_public(address: str) -> bool:
    """Tell whether an address lies in the public Internet; an IPv4 address inside IPv6 counts as itself."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


class Pace:
    """Keeps the requests to one host apart, whichever source sends them."""

    _next: dict[str, float] = {}  # noqa: RUF012 - shared by all sources of this process on purpose
    _lock = threading.Lock()

    def __init__(self, host: str, per_second: float, pause: Callable[[float], None]) -> None:
        self._host, self._gap_s, self._pause = host, 1.0 / per_second, pause

    def wait(self) -> None:
        """Wait for this host's turn."""
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next.get(self._host, 0.0))
            self._next[self._host] = turn + self._gap_s
        if turn > now:
            self._pause(turn - now)
