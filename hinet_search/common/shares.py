"""Shares: what clients hold of something limited, such that none takes all of it.

If all is held and another client asks, the client that holds the most gives up its oldest. So one
that leaves connections or requests idle delays only itself.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

GiveUp = Callable[[], bool]  # returns whether it could be given up


@dataclass(frozen=True)
class _Held:
    client: str
    give_up: GiveUp


class Shares:
    """At most `most` things that are held by clients; safe for several threads."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._held: dict[object, _Held] = {}  # the oldest first
        self._lock = Lock()

    def hold(self, client: str, give_up: GiveUp) -> object | None:
        """Hold one more for a client; return a key to `release`, or None if there is no room."""
        with self._lock:
            if len(self._held) >= self.most and not self._make_room():
                return None
            key = object()
            self._held[key] = _Held(client, give_up)
            return key

    def release(self, key: object) -> None:
        """Hold it no longer; nothing happens if it was given up."""
        with self._lock:
            self._held.pop(key, None)

    def _make_room(self) -> bool:
        """Whether one was given up: the oldest that can be, of the client that holds the most."""
        counts = Counter(held.client for held in self._held.values())
        for client, _ in counts.most_common():
            for key, held in self._held.items():
                if held.client == client and held.give_up():
                    del self._held[key]
                    return True
        return False
