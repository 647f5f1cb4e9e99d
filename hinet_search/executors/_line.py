"""Line: pickled messages between a coordinator and its slot, over a socket.

A message arrives whole or not at all, and whoever looks for messages never waits for the rest of one: its sender may be
paused in the middle of it.
"""

import pickle
import socket
import struct
from collections import deque
from typing import Any

_LENGTH = struct.Struct("!Q")  # stands before every message
_PART = 2**16  # bytes that are read at once


class Line:
    """One end. Where the other end is gone: EOFError when reading, OSError when sending or in the middle of a message."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._come = bytearray()
        self._whole: deque[Any] = deque()

    def fileno(self) -> int:
        """For whoever waits until something comes."""
        return self._end.fileno()

    def send(self, what: object) -> None:
        """Waits while the other end does not read."""
        message = pickle.dumps(what)
        self._end.sendall(_LENGTH.pack(len(message)) + message)

    def next(self) -> Any:
        """The next message; waits for it."""
        while not self._whole:
            self._take(self._end.recv(_PART))
        return self._whole.popleft()

    def waiting(self) -> list[Any]:
        """Messages that are here, without waiting for any. It looks at so much at once; more may follow."""
        try:
            self._take(self._end.recv(_PART, socket.MSG_DONTWAIT))
        except BlockingIOError:
            return []
        found = list(self._whole)
        self._whole.clear()
        return found

    def close(self) -> None:
        """The other end finds that this one is gone."""
        self._end.close()

    def _take(self, part: bytes) -> None:
        if not part:
            raise EOFError("the other end is gone")
        self._come += part
        while len(self._come) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._come)
            end = _LENGTH.size + length
            if len(self._come) < end:
                return
            self._whole.append(pickle.loads(self._come[_LENGTH.size : end]))  # noqa: S301  our own process sent it
            del self._come[:end]


def pair() -> tuple[Line, Line]:
    """Two ends of one line; one may be an argument of a process that is started."""
    one, other = socket.socketpair()
    return Line(one), Line(other)
