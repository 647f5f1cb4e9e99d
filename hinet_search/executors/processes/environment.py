"""Environment: the environment variables of the processes that we start.

Modules in the current folder do not shadow theirs, and they get none of the coordinator's secrets.
"""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from hinet_search.common import crash_points

OURS = "HINET_SEARCH_"
VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES"
SLOTS_OF_GPU = "HINET_SEARCH_SLOTS_OF_GPU"  # how many slots share the GPU of a slot, at most
# The only variables of ours that a slot reads.
SETTINGS = ("HINET_SEARCH_CHECKPOINT_SECONDS", SLOTS_OF_GPU, crash_points.VARIABLE)
# A slot starts with `python -c`, which otherwise imports from the current folder first.
SAFE_PATH = {"PYTHONSAFEPATH": "1"}
# One thread, and memory that glibc neither gives back after a step nor maps in small pages: a step
# touches tens of megabytes, and finding their pages took a fifth of it. Other systems ignore it.
SLOT_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "MALLOC_TOP_PAD_": "268435456",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}

# Without it two launches in threads of one process would restore each other's changes.
_LOCK = threading.Lock()


def settings() -> dict[str, str]:
    """Return the variables of this process that a slot reads, also on another machine."""
    return {name: os.environ[name] for name in SETTINGS if name in os.environ}


def for_children() -> dict[str, str | None]:
    """Return the changes to our environment for child processes; None removes a variable."""
    removed = (name for name in os.environ if name.startswith(OURS) and name not in SETTINGS)
    return {**SAFE_PATH, **dict.fromkeys(removed)}


@contextmanager
def environment(values: Mapping[str, str | None]) -> Iterator[None]:
    """Set variables for a child that starts inside; its allocator reads them before Python runs."""
    with _LOCK:
        before = {name: os.environ.get(name) for name in values}
        _put(values)
        try:
            yield
        finally:
            _put(before)


@contextmanager
def restored_environment(values: Mapping[str, str | None]) -> Iterator[None]:
    """Set variables as `environment` does, and undo all other changes that are made inside."""
    with _LOCK:
        before = dict(os.environ)
        _put(values)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def _put(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
