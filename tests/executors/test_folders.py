"""Folders that slots of a machine share are theirs alone, and go when nobody needs them."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from hinet_search.errors import EnvironmentFault
from hinet_search.executors._folders import PREFIX, alone, remove_abandoned, shared

HOLDER = """
import sys
from hinet_search.executors._folders import shared
print(shared("shop-1"), flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    shared.cache_clear()
    return tmp_path


def test_a_folder_stays_as_long_as_a_slot_lives_and_goes_with_the_last_one(temporary: Path) -> None:
    command = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as slot:
        assert slot.stdout is not None
        folder = Path(slot.stdout.readline().strip())
        remove_abandoned(PREFIX)
        assert folder == temporary / f"{PREFIX}shop-1"
        assert folder.is_dir()
        slot.kill()
        slot.wait()
        remove_abandoned(PREFIX)
        assert not folder.exists()


def test_who_comes_back_to_a_folder_finds_what_is_there_and_removes_those_of_others(temporary: Path) -> None:
    for study in ("shop-1", "shop-2"):
        (temporary / f"{PREFIX}{study}").mkdir(mode=0o700)
    (temporary / f"{PREFIX}shop-1" / "file").touch()
    assert list(shared("shop-1").iterdir()) == [temporary / f"{PREFIX}shop-1" / "file"]
    assert not (temporary / f"{PREFIX}shop-2").exists()


def test_a_folder_that_others_may_write_is_refused(temporary: Path) -> None:
    (temporary / f"{PREFIX}shop-1").mkdir(mode=0o755)
    with pytest.raises(EnvironmentFault, match=f"{PREFIX}shop-1 must be a folder of yours alone, but is not"):
        shared("shop-1")


def test_one_at_a_time_is_inside_and_who_gives_up_is_not(temporary: Path) -> None:
    with alone(temporary, lambda: False) as first:
        assert first
        with alone(temporary, lambda: True) as second:
            assert not second
    with alone(temporary, lambda: True) as third:
        assert third
