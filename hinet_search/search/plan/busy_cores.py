"""Busy cores: how much of the cores slots would get now, which a forecast of time leaves out."""

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from hinet_search.study.launch_options import num_cores

if TYPE_CHECKING:
    from hinet_search.search.plan.plan import PreparedStudy

SECONDS = 0.2
BLOCK = bytes(1 << 20)  # hashing it takes a millisecond, in which other threads run
MOSTLY_FREE = 0.75  # share of the cores; an idle machine gives more


def busy_cores(ready: "PreparedStudy") -> list[str]:
    """Say that the slots would not get the cores on which the forecast of their time relies.

    Of slots on this machine's CPUs only; of no others is it known here what they will get.
    """
    if ready.device.device.type != "cpu" or ready.study.spec.executor.kind != "local":
        return []
    wanted = min(ready.slots, num_cores())
    free = free_cores(wanted)
    if free >= MOSTLY_FREE * wanted:
        return []
    would_get = f"{slots_in_words(ready.slots)} would get about {free:.1f} of {wanted} now"
    of_free_cores = "the time is that of free cores, and is longer while this lasts"
    return [f"cores: other work takes them, {would_get}: {of_free_cores}"]


def slots_in_words(slots: int) -> str:
    """Return `the slot` or `the 4 slots`."""
    return "the slot" if slots == 1 else f"the {slots} slots"


def free_cores(wanted: int) -> float:
    """Return how many of so many cores this process gets, measured by computing on each."""
    with ThreadPoolExecutor(wanted) as threads:
        return sum(threads.map(_share_of_a_core, [SECONDS] * wanted))


def _share_of_a_core(seconds: float) -> float:
    """Compute for some seconds; return the share of them in which this thread ran."""
    began = time.perf_counter()
    computed = time.thread_time()
    while time.perf_counter() - began < seconds:
        hashlib.sha256(BLOCK).digest()
    return (time.thread_time() - computed) / (time.perf_counter() - began)
