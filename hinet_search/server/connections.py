"""Connections: close those whose client sends or reads too slowly, and too many of one client.

uvicorn sets a time limit only between two requests. Here a head must arrive within HEAD_SECONDS,
and a client must go on reading a reply within READ_SECONDS. If all places are taken, the client
with the most connections loses its oldest that has no request in progress.
"""

import asyncio
import resource
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from hinet_search.common.errors import EnvironmentFault
from hinet_search.common.shares import Shares

HEAD_SECONDS = 10.0
READ_SECONDS = 30.0
MOST_HEAD_BYTES = 65_536
MOST_CONNECTIONS = 1_000
MOST_AT_ONCE = 256  # accepted before any is closed
OWN_FILES = 24  # what a server opens itself: files, threads, signals
FEWEST_FILES = 64


@dataclass(frozen=True)
class ConnectionLimits:
    """The most connections at a time, and the most that are accepted before others are closed."""

    most: int
    at_once: int


def connection_limits() -> ConnectionLimits:
    """Return limits that leave half of the file descriptors to what the server opens itself.

    A connection that is closed frees its descriptor two turns of the event loop later, so of that
    half a quarter may be accepted in one turn. EnvironmentFault if the process may open too few.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return ConnectionLimits(MOST_CONNECTIONS, MOST_AT_ONCE)
    if soft < FEWEST_FILES:
        raise EnvironmentFault(
            f"a server must be able to open {FEWEST_FILES} files and connections, but the system "
            f"allows this process {soft}",
            remedy="raise the limit (ulimit -n)",
        )
    half = soft // 2
    at_once = (half - OWN_FILES) // 4
    return ConnectionLimits(min(MOST_CONNECTIONS, half), min(MOST_AT_ONCE, at_once))


def patient_protocol(places: Shares) -> type[asyncio.Protocol]:
    """Return uvicorn's protocol with these limits, for at most so many connections."""
    return type("Patient", (_Patient,), {"places": places})


class _Patient(AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # one of two classes
    """A connection, with a timer for the head of a request and one for the reading of replies."""

    places: ClassVar[Shares]

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._place: object | None = None
        self._head = _Timer(self._abort)
        self._reading = _Timer(self._abort)
        self._num_head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._place = self.places.hold(self.client[0] if self.client else "", self._give_up)
        if self._place is None:
            transport.abort()
        else:
            self._head.start(HEAD_SECONDS)

    def data_received(self, data: bytes) -> None:
        self._num_head_bytes += len(data)
        super().data_received(data)
        if self._is_answering:
            self._num_head_bytes = 0
            self._head.stop()
        elif self._num_head_bytes > MOST_HEAD_BYTES:
            self._abort()
        else:
            self._head.start(HEAD_SECONDS)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reading.start(READ_SECONDS)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._reading.stop()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._head.stop()
        self._reading.stop()
        if self._place is not None:
            self.places.release(self._place)

    @property
    def _is_answering(self) -> bool:
        """Whether a request is in progress: its head has arrived, and its reply is not sent."""
        return self.cycle is not None and not self.cycle.response_complete

    def _abort(self) -> None:
        self.transport.abort()

    def _give_up(self) -> bool:
        if self._is_answering:
            return False
        self._abort()
        return True


class _Timer:
    """Call a function once a time is over, unless it is stopped before."""

    def __init__(self, end: Callable[[], None]) -> None:
        self._end = end
        self._handle: asyncio.TimerHandle | None = None

    def start(self, seconds: float) -> None:
        """Begin, unless it runs."""
        if self._handle is None:
            self._handle = asyncio.get_running_loop().call_later(seconds, self._end)

    def stop(self) -> None:
        """Do not call the function."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle = None
