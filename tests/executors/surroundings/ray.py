"""A Ray cluster that stands while executors start and end on it, since a start of its own takes seconds."""

from collections.abc import Iterator
from contextlib import contextmanager

from hinet_search.executors._cluster import join


@contextmanager
def standing() -> Iterator[dict[str, str]]:
    """This process stays connected; executors use the connection that there is."""
    cluster = join("local", num_cpus=4)
    try:
        yield {}
    finally:
        cluster.leave()
