"""Files are complete or absent, whatever else writes to the same place and whenever a writer dies."""

import errno
import os
import random
import shutil
import signal
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path

import pytest
from polars.exceptions import ComputeError

from hinet_search.common.errors import DiskFull, EnvironmentFault
from hinet_search.common.files import (
    locked,
    refusal,
    replacing,
    replacing_folder,
    whole_files,
    writing,
)
from hinet_search.data.mapped import temporary_file
from hinet_search.storage.sqlite_file import creation_lock
from tests.read_only import in_read_only_folder
from tests.waiting import wait_until

LETTERS = "abcdef"
SIZE = 200_000


def write(path: Path, letter: str) -> None:
    content = letter.encode() * SIZE
    with replacing(path, SIZE) as part:
        part.write_bytes(content)


def write_folder(folder: Path, letter: str) -> None:
    with replacing_folder(folder, SIZE) as part:
        (part / "inside").mkdir()
        (part / "inside" / "file").write_bytes(letter.encode() * SIZE)


def start(work: Callable[[], object]) -> int:
    """Start a process that does the work; its exit code is 0 if nothing was raised."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return process


def exit_code(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def is_whole(path: Path) -> bool:
    content = path.read_bytes()
    return len(content) == SIZE and len(set(content)) == 1


def remove_folder(place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_six_writers_of_one_report_all_succeed_and_leave_one_whole_file(tmp_path: Path) -> None:
    path, go = tmp_path / "report.html", tmp_path / "go"

    def write_often(letter: str) -> None:
        wait_until(go.exists, pause=0.001)
        for _ in range(20):
            write(path, letter)

    processes = [start(lambda letter=letter: write_often(letter)) for letter in LETTERS]
    go.touch()
    assert [exit_code(process) for process in processes] == [0] * 6
    go.unlink()
    assert is_whole(path)
    assert names(tmp_path) == ["report.html"]


@pytest.mark.parametrize("make", [write, write_folder])
def test_a_writer_killed_at_any_moment_leaves_the_place_whole(
    make: Callable[[Path, str], None], tmp_path: Path
) -> None:
    place = tmp_path / "place"
    draw = random.Random(0)

    def write_on() -> None:
        while True:
            remove_folder(place)
            make(place, draw.choice(LETTERS))

    for _ in range(25):
        process = start(write_on)
        time.sleep(draw.uniform(0.0, 0.01))
        os.kill(process, signal.SIGKILL)
        exit_code(process)
        assert make is write_folder or not place.exists() or is_whole(place)
        assert len([name for name in names(tmp_path) if name.endswith(".part")]) <= 1
        remove_folder(place)
        make(place, "z")
        assert names(tmp_path) == ["place"], "the next writer removes what was left"


def test_what_a_living_writer_writes_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "report"
    with replacing(path, 5) as part:
        part.write_bytes(b"first")
        write(path, "z")
        assert part.read_bytes() == b"first"
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == ["report"]


def test_a_writer_that_fails_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "report").write_bytes(b"before")
    with suppress(KeyError), replacing(tmp_path / "report", 4) as part:
        part.write_bytes(b"half")
        raise KeyError
    assert (tmp_path / "report").read_bytes() == b"before"
    assert names(tmp_path) == ["report"]


def test_of_two_writers_of_one_folder_the_later_is_refused(tmp_path: Path) -> None:
    later = replacing_folder(tmp_path / "model", 1)
    later.__enter__()
    write_folder(tmp_path / "model", "z")
    with pytest.raises(EnvironmentFault, match="cannot be written: Directory not empty"):
        later.__exit__(None, None, None)
    assert is_whole(tmp_path / "model" / "inside" / "file")
    assert names(tmp_path) == ["model"]


@pytest.mark.usefixtures("usual_umask")
def test_a_file_has_the_mode_of_any_new_file(tmp_path: Path) -> None:
    write(tmp_path / "report", "a")
    assert stat.S_IMODE((tmp_path / "report").stat().st_mode) == 0o644


@pytest.mark.usefixtures("usual_umask")
def test_a_file_that_is_being_written_is_for_its_owner_alone(tmp_path: Path) -> None:
    with replacing(tmp_path / "report", 1) as part:
        part.touch()
        assert stat.S_IMODE(part.parent.stat().st_mode) == 0o700


def test_a_link_stays_a_link_and_its_file_is_written(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    link = tmp_path / "report"
    link.symlink_to(tmp_path / "far" / "real")
    write(link, "a")
    write(link, "b")
    assert link.is_symlink()
    assert is_whole(tmp_path / "far" / "real")


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "x" * 250 + ".html"])
def test_a_name_may_be_as_long_as_the_system_allows(name: str, tmp_path: Path) -> None:
    write(tmp_path / name, "a")
    assert names(tmp_path) == [name]


def test_a_pipe_a_socket_and_a_device_are_not_replaced(tmp_path: Path) -> None:
    pipe, listening = tmp_path / "pipe", socket.socket(socket.AF_UNIX)
    os.mkfifo(pipe)
    listening.bind(str(tmp_path / "socket"))
    for special in (pipe, tmp_path / "socket", Path("/dev/null")):
        with pytest.raises(
            EnvironmentFault, match="it is a device, a pipe or a socket, not a file"
        ):
            write(special, "a")
    listening.close()
    assert pipe.is_fifo()


def test_files_that_are_being_written_are_no_whole_files(tmp_path: Path) -> None:
    write(tmp_path / "whole", "a")
    with replacing(tmp_path / "new", 4) as part:
        part.write_bytes(b"half")
        assert list(whole_files(tmp_path)) == [tmp_path / "whole"]


def hold(path: Path) -> None:
    with locked(path, lambda: None):
        pass


def write_temporary_file(folder: Path) -> None:
    with temporary_file(folder, ".arrow"):
        pass


IN_A_FILE = "cannot be written: Not a directory"


@pytest.mark.parametrize(
    ("make", "place", "problem"),
    [
        *((make, "file/place", IN_A_FILE) for make in (write, write_folder, hold)),
        *((make, "x" * 300, "cannot be written: File name too long") for make in (write, hold)),
        (write_folder, "x" * 300, "cannot be written: File name too long"),
        (write_temporary_file, "file/place", IN_A_FILE),
        (write_temporary_file, "x" * 300, "cannot be written: File name too long"),
        (write, "folder", "cannot be written: it is a folder, not a file"),
        (write_folder, "file", IN_A_FILE),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)[:20]),
)
def test_a_place_that_can_hold_no_such_file_is_told_in_words(
    make: Callable[..., None], place: str, problem: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    arguments = ["a"] if make in (write, write_folder) else []
    with pytest.raises(EnvironmentFault, match=problem) as caught:
        make(tmp_path / place, *arguments)
    assert caught.value.problems[0].startswith(f"{tmp_path / place} cannot")
    assert "name another place" in caught.value.remedy
    assert names(tmp_path) == ["file", "folder"]


def test_a_folder_that_may_only_be_read_is_told_in_words(tmp_path: Path) -> None:
    def write_there() -> None:
        for work in (lambda: write(tmp_path / "a", "a"), lambda: hold(tmp_path / "a")):
            with pytest.raises(EnvironmentFault, match="a cannot be written: "):
                work()

    in_read_only_folder(tmp_path, write_there)


@pytest.mark.parametrize(
    "error",
    [
        ComputeError("parquet: File out of specification: Invalid thrift: transport error"),
        ComputeError("underlying IO error: No space left on device (os error 28)"),
        OSError("File too large (os error 27)"),
        OSError("400000 requested and 131056 written"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
    ],
    ids=str,
)
def test_a_full_disk_is_told_in_whatever_words_a_library_says_it(
    error: Exception, tmp_path: Path
) -> None:
    problem = r"report: no room for about 4 bytes, [\d,]+ are free"
    with pytest.raises(DiskFull, match=problem), replacing(tmp_path / "report", 4):
        raise error
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "error",
    [
        OSError("No such file or directory (os error 2): rows.parquet"),
        ComputeError("parquet: File out of specification: Invalid thrift: protocol error"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
    ids=str,
)
def test_what_the_place_is_not_to_blame_for_is_raised_as_it_is(
    error: Exception, tmp_path: Path
) -> None:
    with pytest.raises(type(error)) as caught, writing(tmp_path):
        raise error
    assert caught.value is error


def test_only_an_error_with_a_path_that_the_system_refuses_is_a_refusal() -> None:
    refused = refusal(OSError(errno.ENAMETOOLONG, "File name too long", "a" * 300))
    assert refused is not None
    assert refused.problems == (f"{'a' * 300} cannot be used: File name too long",)
    for other in (PermissionError(errno.EACCES, "a port"), FileNotFoundError(2, "gone", "a")):
        assert refusal(other) is None


@pytest.mark.parametrize("lock", [partial(locked, wait=lambda: None), creation_lock])
def test_a_lock_that_is_a_link_makes_and_empties_no_file(
    lock: Callable[[Path], AbstractContextManager[None]], tmp_path: Path
) -> None:
    (tmp_path / "kept").write_text("kept")
    for target in ("kept", "new"):
        (tmp_path / "study.lock").unlink(missing_ok=True)
        (tmp_path / "study.lock").symlink_to(tmp_path / target)
        with pytest.raises(EnvironmentFault, match=r"study\.lock must be a lock, but is a link"):
            lock(tmp_path / "study").__enter__()
    assert (tmp_path / "kept").read_text() == "kept"
    assert not (tmp_path / "new").exists()
