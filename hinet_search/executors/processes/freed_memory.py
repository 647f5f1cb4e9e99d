"""Freed memory: what a job of a slot has freed is given back to the system if it is much.

The allocator of a slot keeps what a step frees (slots.py). The next job cannot always use it: a
large table needs one piece, and live objects lie between the free ones.
"""

import ctypes
from functools import cache

MUCH = 2**29  # bytes; less is sooner used again than given back and asked for


class _AllocatorCounts(ctypes.Structure):
    """`struct mallinfo2` of glibc; `fordblks` are the free bytes that it holds."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    ]


def give_back_freed_memory() -> None:
    """Give much free memory back; systems without glibc decide by themselves."""
    library = _glibc()
    if library is not None and library.mallinfo2().fordblks > MUCH:
        library.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    """Return the C library if it has both functions."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallinfo2") or not hasattr(library, "malloc_trim"):
        return None
    library.mallinfo2.restype = _AllocatorCounts
    return library
