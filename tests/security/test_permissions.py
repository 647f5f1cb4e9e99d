"""Only its owner can read what a study writes, whatever the umask; a report is readable by all who may read its folder."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hinet_search.common.files import make_file, make_folder
from tests.security.processes import mode
from tests.storage.small_study import small_study


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_folders_and_files_are_their_owners_alone(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_file(tmp_path / "a" / "b" / "c")
    assert [mode(tmp_path / name) for name in ("a", "a/b", "a/b/c")] == ["0o700", "0o700", "0o600"]


def test_what_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(mode=0o750)
    (tmp_path / "a").chmod(0o750)
    (tmp_path / "a" / "b").write_text("kept")
    (tmp_path / "a" / "b").chmod(0o640)
    make_folder(tmp_path / "a")
    make_file(tmp_path / "a" / "b")
    assert [mode(tmp_path / name) for name in ("a", "a/b")] == ["0o750", "0o640"]
    assert (tmp_path / "a" / "b").read_text() == "kept"


@pytest.mark.usefixtures("umask")
def test_a_database_and_the_files_beside_it_are_their_owners_alone(tmp_path: Path) -> None:
    database = small_study(tmp_path / "runs" / "h.db")
    with database.writing():
        modes = {path.name: mode(path) for path in (tmp_path / "runs").iterdir()}
    assert modes == dict.fromkeys(("h.db", "h.db-wal", "h.db-shm", "h.db.lock"), "0o600")
    assert mode(tmp_path / "runs") == "0o700"
