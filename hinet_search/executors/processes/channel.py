"""Channel: send pickled messages between a coordinator and its slot over a socket.

A message arrives completely or not at all. Reading without waiting never blocks on an incomplete
message, since its sender may be paused in the middle of it.
"""

import pickle
import socket
import struct
from collections import deque
from typing import Any

_LENGTH = struct.Struct("!Q")  # precedes every message
_PART = 2**16  # bytes read at once


class ChannelEnd:
    """One end of a channel.

    Errors if the other end is gone: EOFError when reading, OSError when sending or in the middle
    of a message.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._received = bytearray()
        self._messages: deque[Any] = deque()

    def fileno(self) -> int:
        """Return the socket's descriptor, for a wait on several channels."""
        return self._end.fileno()

    def send(self, message: object) -> None:
        """Send a message; wait while the other end does not read."""
        content = pickle.dumps(message)
        self._end.sendall(_LENGTH.pack(len(content)) + content)

    def next(self) -> Any:
        """Wait for the next message and return it."""
        while not self._messages:
            self._take(self._end.recv(_PART))
        return self._messages.popleft()

    def waiting(self) -> list[Any]:
        """Return messages that have arrived, without waiting. One call reads one part at most."""
        try:
            self._take(self._end.recv(_PART, socket.MSG_DONTWAIT))
        except BlockingIOError:
            return []
        messages = list(self._messages)
        self._messages.clear()
        return messages

    def close(self) -> None:
        """Close this end; the other end gets an error."""
        self._end.close()

    def _take(self, part: bytes) -> None:
        """Add received bytes and unpickle the messages that are complete."""
        if not part:
            raise EOFError("the other end is gone")
        self._received += part
        while len(self._received) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._received)
            end = _LENGTH.size + length
            if len(self._received) < end:
                return
            content = self._received[_LENGTH.size : end]
            self._messages.append(pickle.loads(content))  # noqa: S301  our own process sent it
            del self._received[:end]


def pair() -> tuple[ChannelEnd, ChannelEnd]:
    """Return the two ends of a new channel; one may be passed to a process at its start."""
    first, second = socket.socketpair()
    return ChannelEnd(first), ChannelEnd(second)
