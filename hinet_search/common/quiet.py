"""Quiet: lines of progress that nobody reads, and warnings of libraries that tell users nothing."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# Python's filters are those of the whole process: of two threads that change them, the one that
# ends first would bring back what the other leaves out.
_filters = threading.RLock()


def say_nothing(_text: str) -> None:
    """Take a line of progress, and do nothing."""


@contextmanager
def without(*categories: type[Warning], beginning: str = "") -> Iterator[None]:
    """Leave out the warnings of categories, or only those whose text begins with a pattern.

    Another thread that leaves out warnings waits until this one is done.
    """
    with _filters, warnings.catch_warnings():
        for category in categories:
            warnings.filterwarnings("ignore", beginning, category)
        yield
