"""Settings: where the server listens, whom it admits, and how much it takes at once."""

from dataclasses import dataclass, field

from hinet_search.common.access import LOOPBACK

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Listening:
    """The address of the server, and the token that requests must bring if there is one."""

    host: str = LOOPBACK
    port: int = 8000
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Limits:
    """The largest request, in rows and bytes, and the most requests at once."""

    rows: int = 10_000
    num_bytes: int = 10 * MEGABYTE
    requests: int = 64
