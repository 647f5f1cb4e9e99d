"""Doctor: what this machine is, as far as a study depends on it, and what would keep one from running here."""

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from hinet_search.errors import EnvironmentFault, HinetSearchError
from hinet_search.search.options import LaunchOptions, num_cores
from hinet_search.spec import Device
from hinet_search.storage.address import parse_address
from hinet_search.storage.engine import connect
from hinet_search.storage.filesystem import OVER_THE_NETWORK, file_system_of
from hinet_search.study import Study

GIGABYTE = 1024**3
LOW_DISK, LOW_MEMORY = 2 * GIGABYTE, 2 * GIGABYTE
SLOW_FSYNC = 0.1  # seconds: every trial waits for a few
ROUNDS = 5


@dataclass(frozen=True)
class Finding:
    """One fact. `problem` says what is wrong with it and what to do; `blocks` that no study can run so."""

    name: str
    value: str
    problem: str = ""
    blocks: bool = False


def examine(options: LaunchOptions, study: Study | None = None) -> Iterator[Finding]:
    """The facts, one by one. Database, folder, device and data are those that a launch of the study would use.

    Without a study they are those of one whose file says nothing of them, and there are no data.
    """
    yield from _versions()
    yield _processors()
    yield _memory()
    yield _device(study.spec.device if study else "auto")
    yield from _folder(options.folder)
    yield _database(options.storage_url(study))
    if study:
        yield _data(study, options.cache)


def _versions() -> Iterator[Finding]:
    from hinet_search.search.launch import versions

    yield Finding("versions", ", ".join(f"{name} {version}" for name, version in versions().items()))


def _processors() -> Finding:
    usable = num_cores()
    return Finding("processors", f"{usable} usable; {min(usable, 4)} slots by default, one thread each")


def _memory() -> Finding:
    known = Path("/proc/meminfo")
    lines = known.read_text(encoding="ascii").splitlines() if known.exists() else []
    free = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")), None)
    if free is None:
        return Finding("memory", "not known on this system")
    problem = "a slot with a million rows takes about half a gigabyte: use fewer slots" if free < LOW_MEMORY else ""
    return Finding("memory", f"{free / GIGABYTE:.1f} GB free", problem)


def _device(wanted: Device) -> Finding:
    import torch

    from hinet_search.training.device import choose_device

    try:
        chosen = choose_device(wanted)
    except EnvironmentFault as error:
        return _blocking("device", error)
    if wanted == "cpu":
        return Finding("device", "cpu, as the study says")
    if chosen.device.type != "cuda":
        return Finding("device", chosen.note.removeprefix("device auto: "))
    total = torch.cuda.get_device_properties(chosen.device).total_memory
    return Finding("device", f"{torch.cuda.get_device_name(chosen.device)}, {total / GIGABYTE:.0f} GB")


def _folder(folder: Path) -> Iterator[Finding]:
    """The nearest folder that exists; nothing is left in it."""
    place = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.is_dir())
    kind = file_system_of(place)
    named = f"{folder}{f' on {kind}' if kind else ''}"
    free = shutil.disk_usage(place).free
    problem = f"less than {LOW_DISK / GIGABYTE:.0f} GB: free some, or name another --output" if free < LOW_DISK else ""
    yield Finding("disk", f"{free / GIGABYTE:.1f} GB free for {named}", problem)
    try:
        seconds = _median_seconds(_fsync_in(place))
    except OSError as error:
        yield Finding(
            "writing", f"{place}: {error.strerror}", "name a folder that can be written: --output", blocks=True
        )
        return
    slow = "every trial waits for a few of them: name a faster disk with --output" if seconds > SLOW_FSYNC else ""
    yield Finding("writing", f"{1000 * seconds:.1f} ms until a small file is on the disk", slow)


def _fsync_in(place: Path) -> Callable[[], None]:
    def write() -> None:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".hinet-search-doctor-") as file:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())

    return write


def _database(url: str) -> Finding:
    """Reads what is there; nothing is made."""
    try:
        address = parse_address(url)
        if address.file is not None:
            kind = file_system_of(address.file)
            if kind in OVER_THE_NETWORK:
                remedy = "SQLite can be damaged by two writers there: name a local file or PostgreSQL with --storage"
                return Finding("database", f"{address.masked} on {kind}", remedy, blocks=True)
            if not address.file.exists():
                return Finding("database", f"{address.masked}: none yet, the first launch makes it")
        with closing(connect(url)) as database, database.reading() as connection:
            seconds = _median_seconds(lambda: connection.execute(text("SELECT 1")).close())
    except HinetSearchError as error:
        return _blocking("database", error)
    return Finding("database", f"{address.masked}: {1000 * seconds:.1f} ms a round trip")


def _data(study: Study, cache: Path) -> Finding:
    """Whether they are there; `check` reads them."""
    from hinet_search.data.of_study import is_encoded

    try:
        encoded = is_encoded(study, cache)
    except HinetSearchError as error:
        return _blocking("data", error)
    return Finding(
        "data", f"{study.spec.data.source.kind}: {'encoded already' if encoded else 'there, not encoded yet'}"
    )


def _blocking(name: str, error: HinetSearchError) -> Finding:
    return Finding(name, error.problems[0], error.remedy or "see above", blocks=True)


def _median_seconds(work: Callable[[], object]) -> float:
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return statistics.median(took)
