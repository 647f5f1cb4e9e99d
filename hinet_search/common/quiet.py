"""Warnings of libraries that tell a user nothing are left out, in whichever thread they come."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# Python's filters are those of the whole process: of two threads that change them, the one that
# ends first would bring back what the other leaves out.
_filters = threading.RLock()


@contextmanager
def without(category: type[Warning]) -> Iterator[None]:
    """Leave out the warnings of a category; another thread waits until this one is done."""
    with _filters, warnings.catch_warnings():
        warnings.simplefilter("ignore", category)
        yield
