"""Copy news: say now and then how many bytes of a store's objects are copied."""

import time
from collections.abc import Callable
from typing import Any

from fsspec.callbacks import Callback

from hinet_search.common.amounts import byte_size

SECONDS_BETWEEN_NEWS = 10


class CopyNews(Callback):  # type: ignore[misc]  # fsspec has no types
    """Told by fsspec of all objects that are copied; `say` gets the bytes of `num_bytes`."""

    def __init__(self, say: Callable[[str], None], num_bytes: int) -> None:
        super().__init__()
        self._say = say
        self._num_bytes = num_bytes
        self._num_copied = 0
        self._said_at = time.monotonic()

    def branched(self, *_: str, **__: Any) -> Callback:
        """Return what fsspec tells of the bytes of one object."""
        return _ObjectNews(self)

    def add(self, num_bytes: int) -> None:
        """Count bytes that were copied."""
        self._num_copied += num_bytes
        if time.monotonic() - self._said_at > SECONDS_BETWEEN_NEWS:
            self._say(f"copied {byte_size(self._num_copied)} of {byte_size(self._num_bytes)}")
            self._said_at = time.monotonic()


class _ObjectNews(Callback):  # type: ignore[misc]
    def __init__(self, news: CopyNews) -> None:
        super().__init__()
        self._news = news

    def relative_update(self, inc: int = 1) -> None:
        self._news.add(inc)
