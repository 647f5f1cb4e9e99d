"""Folders that processes of a machine share are their owner's alone, and go when no process uses them."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from hinet_search.common.errors import EnvironmentFault
from hinet_search.executors.cluster.node_folder import OF_A_STUDY, alone, shared

HOLDER = """
import sys
from hinet_search.executors.cluster.node_folder import shared
print(shared("shop-1").path, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_a_folder_goes_with_the_last_process_that_uses_it(temporary: Path) -> None:
    first, second = shared("shop-1"), shared("shop-1")
    assert first.path == second.path == temporary / f"{OF_A_STUDY}shop-1"
    first.leave()
    assert second.path.is_dir()
    second.leave()
    assert not second.path.exists()


def test_a_folder_of_a_killed_process_goes_with_the_next_study(temporary: Path) -> None:
    command = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        folder = Path(holder.stdout.readline().strip())
        second = shared("shop-2")
        assert folder.is_dir(), "its process lives"
        holder.kill()
        holder.wait()
        second.leave()
        shared("shop-3").leave()
    assert list(temporary.iterdir()) == []


def test_a_process_that_comes_back_to_a_folder_finds_what_is_there(temporary: Path) -> None:
    (temporary / f"{OF_A_STUDY}shop-1").mkdir(mode=0o700)
    (temporary / f"{OF_A_STUDY}shop-1" / "file").touch()
    assert [file.name for file in shared("shop-1").path.iterdir()] == ["file"]


def test_a_folder_that_others_may_write_is_refused(temporary: Path) -> None:
    (temporary / f"{OF_A_STUDY}shop-1").mkdir(mode=0o755)
    with pytest.raises(
        EnvironmentFault, match=f"{OF_A_STUDY}shop-1 must be a folder of yours alone, but is not"
    ):
        shared("shop-1")


def test_one_process_at_a_time_is_inside(temporary: Path) -> None:
    with alone(temporary) as first:
        assert first
        with alone(temporary) as second:
            assert not second
    with alone(temporary) as third:
        assert third
