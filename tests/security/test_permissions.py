"""What a study writes is for its owner alone, whatever the umask says; a report is for whoever may read its folder."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hinet_search.private import make_file, make_folder
from tests.security.processes import launching
from tests.small import STUDY, write_study
from tests.storage.small_study import small_study

TEXT = STUDY.replace("rows: 4000", "rows: 20000").replace("{shared_bottom: , mmoe: }", "{shared_bottom: }")


def mode(path: Path) -> str:
    return oct(path.stat().st_mode & 0o777)


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
        found = {path.name: mode(path) for path in (tmp_path / "runs").iterdir()}
    assert found == dict.fromkeys(("h.db", "h.db-wal", "h.db-shm", "h.db.lock"), "0o600")
    assert mode(tmp_path / "runs") == "0o700"


def test_a_study_makes_no_folder_that_others_can_enter(tmp_path: Path) -> None:
    write_study(tmp_path, TEXT)
    seen: dict[str, str] = {}
    with launching(tmp_path, "launch", "small.yaml", umask=0, HINET_SEARCH_CHECKPOINT_SECONDS="0") as study:
        while study.poll() is None:
            seen |= _modes(tmp_path)
            time.sleep(0.02)
        said = study.stdout.read()
    assert study.returncode == 0, said
    kinds = {name.split("/")[1] for name in seen if "/" in name}
    assert kinds == {"cache", "artifacts"}
    assert any("/checkpoints/shared_bottom/" in name for name in seen), "checkpoints were kept while it ran"
    assert set(seen.values()) == {"0o700"}


def _modes(folder: Path) -> dict[str, str]:
    """Every folder of the study that is there now, and its mode."""
    found = {}
    for place, folders, _ in os.walk(folder / ".hinet-search"):
        for path in (Path(place), *(Path(place) / name for name in folders)):
            try:
                found[str(path.relative_to(folder))] = mode(path)
            except FileNotFoundError:  # checkpoints go as their training ends
                continue
    return found
