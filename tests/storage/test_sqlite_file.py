"""SQLite files: anything but a file is refused before anything is created, and a read-only folder is still read."""

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from hinet_search.common.errors import ConfigurationError, EnvironmentFault
from hinet_search.storage.engine import connect, connect_if_there
from hinet_search.storage.listing import list_studies
from hinet_search.storage.load import load_record
from tests.read_only import in_read_only_folder
from tests.storage.small_study import new_store, small_study

pytestmark = pytest.mark.usefixtures("as_shipped")

TOO_LONG = "x" * 5000


def a_folder(path: Path) -> None:
    path.mkdir()


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))


def a_device(path: Path) -> None:
    path.symlink_to("/dev/full")


def links_in_a_circle(path: Path) -> None:
    path.symlink_to(path.with_name("other"))
    path.with_name("other").symlink_to(path)


@pytest.mark.parametrize("make", [a_folder, a_pipe, a_socket, a_device, links_in_a_circle])
@pytest.mark.parametrize(
    "opening", [connect_if_there, lambda url: connect(url, create=True)], ids=["early", "late"]
)
def test_what_is_no_file_is_no_database_and_nothing_is_made(
    make: Callable[[Path], None], opening: Callable[[str], object], tmp_path: Path
) -> None:
    make(tmp_path / "h.db")
    before = names(tmp_path)
    with pytest.raises(EnvironmentFault, match=r"database .*h\.db cannot be used: it"):
        opening(str(tmp_path / "h.db"))
    assert names(tmp_path) == before


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (TOO_LONG, "File name too long"),
        ("x" * 250, "its name must leave room for -journal"),
        ("file/inside/h.db", "folder .*file/inside of the database cannot be made"),
    ],
)
def test_a_place_where_no_database_can_be_is_refused_and_nothing_is_made(
    name: str, words: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentFault, match=words):
        connect(f"{tmp_path}/{name}", create=True)
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a\0b",
        "sqlite:///a%00b",
        "sqlite://",
        "sqlite:///:memory:",
        ":memory:",
        "file:h.db?mode=memory",
        "sqlite:///file:h.db?mode=ro&uri=true",
        "sqlite:///h.db?timeout=abc",
        "\udcff.db",
        "postgresql://ann@h/a\0b",
    ],
)
def test_an_address_of_no_file_is_refused_in_words(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=r"database must be "):
        connect(address, create=True)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "name", ["a?b=c.db", "a%20b.db", "a#b.db", "ü b.db", "a{b}.db", "a@b:c.db"]
)
def test_a_file_of_any_name_is_opened(name: str, tmp_path: Path) -> None:
    small_study(tmp_path / name).close()
    assert names(tmp_path) == sorted([name, f"{name}.lock"])
    assert [study.name for study in list_studies(connect(str(tmp_path / name)))] == ["small"]


def test_a_creation_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hinet_search.storage.engine.make_tables", _full)
    with pytest.raises(EnvironmentFault, match="database or disk is full"):
        connect(str(tmp_path / "h.db"), create=True)
    assert names(tmp_path) == []


def _full(*_: object) -> None:
    raise EnvironmentFault("database or disk is full")


def test_a_link_to_a_database_that_is_not_there_yet_makes_it_for_its_owner_alone(
    tmp_path: Path,
) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "h.db").symlink_to(tmp_path / "far" / "real.db")
    connect(str(tmp_path / "h.db"), create=True).close()
    assert names(tmp_path / "far") == ["real.db", "real.db.lock"]
    assert (tmp_path / "far" / "real.db").stat().st_mode & 0o777 == 0o600


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def read_both(path: Path) -> None:
    database = connect(str(path))
    assert [study.name for study in list_studies(database)] == ["small"]
    assert [len(arm.trials) for arm in load_record(database, "small").arms] == [5, 1]
    assert database.storage.get_all_studies()
    database.close()


def test_a_database_is_read_in_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    small_study(tmp_path / "h.db").close()
    in_read_only_folder(tmp_path, lambda: read_both(tmp_path / "h.db"))


def test_a_database_is_read_beside_its_writer_in_a_folder_that_cannot_be_written(
    tmp_path: Path,
) -> None:
    writer = small_study(tmp_path / "h.db")
    assert (tmp_path / "h.db-wal").stat().st_size > 0
    in_read_only_folder(tmp_path, lambda: read_both(tmp_path / "h.db"))
    writer.close()


def test_rows_that_cannot_be_read_there_are_not_left_out_in_silence(tmp_path: Path) -> None:
    writer = small_study(tmp_path / "h.db")
    (tmp_path / "copy").mkdir()
    for name in ("h.db", "h.db-wal"):
        shutil.copy(tmp_path / name, tmp_path / "copy" / name)
    writer.close()

    def read() -> None:
        with pytest.raises(
            EnvironmentFault,
            match=r"its newest rows are in h\.db-wal, .*\ncopy h\.db and h\.db-wal to",
        ):
            connect(str(tmp_path / "copy" / "h.db"))

    in_read_only_folder(tmp_path / "copy", read)


def test_a_launch_in_a_folder_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    small_study(tmp_path / "h.db").close()

    def ask() -> None:
        for name in ("h.db", "new/h.db"):
            with pytest.raises(EnvironmentFault, match=r"cannot be written: no permission"):
                connect_if_there(str(tmp_path / name))

    in_read_only_folder(tmp_path, ask)


def test_a_reader_leaves_no_log_behind(tmp_path: Path) -> None:
    new_store(tmp_path / "h.db").database.close()
    read = connect(str(tmp_path / "h.db"))
    list_studies(read)
    read.close()
    assert names(tmp_path) == ["h.db", "h.db.lock"]
