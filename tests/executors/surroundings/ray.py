"""A Ray cluster shared by executors that start and end on it, since starting one takes seconds."""

from collections.abc import Iterator
from contextlib import contextmanager

from hinet_search.executors.processes.ray_connection import join


@contextmanager
def standing() -> Iterator[dict[str, str]]:
    """Keep this process connected; executors use its connection."""
    cluster = join("local", num_cpus=8)
    try:
        yield {}
    finally:
        cluster.leave()
