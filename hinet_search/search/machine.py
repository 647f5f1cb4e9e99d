"""Machine: describe what a study depends on in this machine, and what would stop a study here."""

import hashlib
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text

from hinet_search.common.amounts import byte_size, plain
from hinet_search.common.database_url import parse_address
from hinet_search.common.errors import EnvironmentFault, HinetSearchError
from hinet_search.common.versions import versions
from hinet_search.storage.engine import connect
from hinet_search.storage.sqlite_file import OVER_THE_NETWORK, file_system_of
from hinet_search.study.launch_options import LaunchOptions, num_cores
from hinet_search.study.load_study import ResolvedStudy
from hinet_search.study.study_spec import Device

if TYPE_CHECKING:
    from hinet_search.search.plan.prepare import PreparedStudy

GIGABYTE = 1_000_000_000
LOW_DISK = 2 * GIGABYTE
LOW_MEMORY = 2 * GIGABYTE
SLOW_FSYNC = 0.1  # seconds; every trial waits for a few fsyncs
ROUNDS = 5
SECONDS = 0.2
BLOCK = bytes(1 << 20)  # hashing it takes a millisecond, in which other threads run
MOSTLY_FREE = 0.75  # share of the cores; an idle machine gives more


@dataclass(frozen=True)
class MachineFact:
    """One fact.

    `problem` says what is wrong and what to do; `blocks` is true when no study can run like this.
    """

    name: str
    value: str
    problem: str = ""
    blocks: bool = False


def examine(options: LaunchOptions, study: ResolvedStudy | None = None) -> Iterator[MachineFact]:
    """Yield the facts one by one, about the database, folder, device and data of a launch.

    Without a study they are the defaults of a study file, and data are left out.
    """
    known = ", ".join(f"{name} {version}" for name, version in versions().items())
    yield MachineFact("versions", known)
    yield _processors()
    yield _memory()
    yield _device(study.spec.device if study else "auto")
    yield from _folder(options.folder)
    yield _database(options.storage_url(study))
    if study:
        yield _data(study, options.cache)


def _processors() -> MachineFact:
    usable = num_cores()
    free = free_cores(usable)
    problem = ""
    if free < MOSTLY_FREE * usable:
        problem = f"other work takes them: about {free:.1f} are free now, so trainings take longer"
    slots = f"{min(usable, 4)} slots by default, one thread each"
    return MachineFact("processors", f"{usable} usable; {slots}", problem)


def _memory() -> MachineFact:
    from hinet_search.data.checks import available_memory

    free = available_memory()
    problem = ""
    if free < LOW_MEMORY:
        problem = "a slot with a million rows takes about half a gigabyte: use fewer slots"
    return MachineFact("memory", f"{byte_size(free)} free", problem)


def _device(wanted: Device) -> MachineFact:
    import torch

    from hinet_search.training.device import choose_device

    try:
        chosen_device = choose_device(wanted)
    except EnvironmentFault as error:
        return _blocking("device", error)
    if wanted == "cpu":
        return MachineFact("device", "cpu, as the study says")
    if chosen_device.device.type != "cuda":
        return MachineFact("device", chosen_device.note.removeprefix("device auto: "))
    total = torch.cuda.get_device_properties(chosen_device.device).total_memory
    return MachineFact(
        "device", f"{torch.cuda.get_device_name(chosen_device.device)}, {byte_size(total)}"
    )


def _folder(folder: Path) -> Iterator[MachineFact]:
    """Examine the nearest existing folder; leave nothing in it."""
    path = folder.absolute()
    place = next(parent for parent in (path, *path.parents) if parent.is_dir())
    kind = file_system_of(place)
    on_kind = f" on {kind}" if kind else ""
    free = shutil.disk_usage(place).free
    problem = ""
    if free < LOW_DISK:
        problem = f"less than {plain(LOW_DISK / GIGABYTE)} GB: free some, or name another --output"
    yield MachineFact("disk", f"{byte_size(free)} free for {folder}{on_kind}", problem)

    def write() -> None:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".hinet-search-doctor-") as file:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())

    try:
        seconds = _median_seconds(write)
    except OSError as error:
        yield MachineFact(
            "writing",
            f"{place}: {error.strerror}",
            "name a folder that can be written: --output",
            blocks=True,
        )
        return
    slow = ""
    if seconds > SLOW_FSYNC:
        slow = "every trial waits for a few of them: name a faster disk with --output"
    yield MachineFact("writing", f"{1000 * seconds:.1f} ms until a small file is on the disk", slow)


def _database(url: str) -> MachineFact:
    """Examine the database and write nothing."""
    try:
        address = parse_address(url)
        if address.file is not None:
            kind = file_system_of(address.file)
            if kind in OVER_THE_NETWORK:
                remedy = (
                    "SQLite can be damaged by two writers there: "
                    "name a local file or PostgreSQL with --storage"
                )
                return MachineFact("database", f"{address.masked} on {kind}", remedy, blocks=True)
            if not address.file.exists():
                return MachineFact(
                    "database", f"{address.masked}: none yet, the first launch makes it"
                )
        with closing(connect(url)) as database, database.reading() as connection:
            seconds = _median_seconds(lambda: connection.execute(text("SELECT 1")).close())
    except HinetSearchError as error:
        return _blocking("database", error)
    return MachineFact("database", f"{address.masked}: {1000 * seconds:.1f} ms a round trip")


def _data(study: ResolvedStudy, cache: Path) -> MachineFact:
    """Check that the data exist; `hinet-search check` reads them."""
    from hinet_search.data.study_data import state_of

    try:
        state = state_of(study, cache)
    except HinetSearchError as error:
        return _blocking("data", error)
    return MachineFact("data", f"{study.spec.data.source.kind}: {state}")


def _blocking(name: str, error: HinetSearchError) -> MachineFact:
    return MachineFact(name, error.problems[0], error.remedy or "see above", blocks=True)


def _median_seconds(work: Callable[[], object]) -> float:
    durations = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        durations.append(time.perf_counter() - began)
    return statistics.median(durations)


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
    slots = "the slot" if ready.slots == 1 else f"the {ready.slots} slots"
    would_get = f"{slots} would get about {free:.1f} of {wanted} now"
    of_free_cores = "the time assumes free cores, and is longer while this lasts"
    return [f"cores: other work takes them, {would_get}: {of_free_cores}"]


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
