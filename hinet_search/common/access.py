"""Access: where a server listens, which Host headers it accepts, and its token.

The rules are those of the dashboard.
"""

import errno
import hmac
import ipaddress
import re
import socket
from collections.abc import Iterable

from hinet_search.common.errors import ConfigurationError, EnvironmentFault

LOOPBACK = "127.0.0.1"
EVERY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104 -- listed here to treat them apart
TOKEN = re.compile(r"[!-~]{16,}")
SAFE_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)


def check_token(host: str, port: int, token: str | None) -> None:
    """Raise ConfigurationError for a weak token, or if other machines get in without one."""
    if token is not None and not TOKEN.fullmatch(token):
        raise ConfigurationError(
            f"a token must be at least 16 letters, digits or signs, got {len(token)} characters",
            remedy="create one with openssl rand -hex 16",
        )
    if token is None and not is_local(host):
        raise ConfigurationError(
            f"--host {host or repr('')} lets other machines in, so it needs a token",
            remedy="set HINET_SEARCH_TOKEN to 16 or more characters (openssl rand -hex 16), "
            f"or keep {LOOPBACK} and use a tunnel: "
            f"ssh -L {port}:{LOOPBACK}:{port} THIS_MACHINE",
        )


def is_local(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def accepted_hosts(host: str, port: int, names: Iterable[str] = ()) -> frozenset[str]:
    """Return the Host headers of an address and of `names`, these also without a port."""
    names = list(names)
    hosts = [in_url(host), *names]
    if is_local(host):
        hosts.append("localhost")
    with_port = [f"{each}:{port}" for each in hosts]
    return frozenset(each.lower() for each in [*names, *with_port])


def in_url(host: str) -> str:
    """Return a host as URLs write it: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def is_equal(secret: str, sent: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(secret.encode(), sent.encode("utf-8", "replace"))


def address_family(host: str) -> socket.AddressFamily:
    """Return the family of an address."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def unusable_port(host: str, port: int, error: OSError | OverflowError) -> EnvironmentFault:
    """Return the error for an address that cannot be listened on."""
    in_use = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
    reason = "another program listens there" if in_use else str(error)
    return EnvironmentFault(
        f"port {port} of {host} cannot be used: {reason}", remedy="choose another one with --port"
    )
