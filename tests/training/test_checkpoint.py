"""Checkpoints are written atomically beside a training, which stands still 1 % of its time."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest
import torch

from hinet_search.common.errors import ConfigurationError
from hinet_search.training import checkpoint
from hinet_search.training.checkpoint import NUM_KEPT, Checkpoints, seconds_apart, whole


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def content(step: int) -> dict[str, object]:
    return {
        "step": step,
        "weights": torch.full((1000,), float(step)),
        "names": ["a", ("b", None)],
        "share": 0.5,
    }


def save(folder: Path, job: str, *steps: int) -> None:
    """Save after each of these steps, and wait until all is written."""
    checkpoints = Checkpoints(folder, job)
    with whole(checkpoints):
        for step in steps:
            checkpoints.save(step, content(step))


def test_the_latest_checkpoint_is_the_one_saved_last(tmp_path: Path) -> None:
    for step in (5, 40):
        save(tmp_path / "new", "job", step)
    latest = Checkpoints(tmp_path / "new", "job").latest()
    assert latest["step"] == 40
    assert torch.equal(latest["weights"], content(40)["weights"])
    assert (latest["names"], latest["share"]) == (["a", ("b", None)], 0.5)


def test_without_a_checkpoint_there_is_none(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "nowhere", "job").latest() is None


def test_the_last_two_stay(tmp_path: Path) -> None:
    save(tmp_path, "job", *range(1, 6))
    assert files(tmp_path) == [
        f"{step:06}{end}" for step in (4, 5) for end in (".checkpoint", ".json")
    ]
    assert NUM_KEPT == 2


def test_what_was_written_last_counts_though_its_step_is_smaller(tmp_path: Path) -> None:
    save(tmp_path, "other settings", 400)
    for step in (3, 4):
        save(tmp_path, "job", step)
    assert Checkpoints(tmp_path, "job").latest()["step"] == 4
    assert len(files(tmp_path)) == 2 * NUM_KEPT


def test_a_checkpoint_of_other_settings_is_not_taken_up(tmp_path: Path) -> None:
    save(tmp_path, "mmoe with 3 experts", 1)
    assert Checkpoints(tmp_path, "mmoe with 4 experts").latest() is None


def flip_a_bit(path: Path) -> None:
    broken = bytearray(path.read_bytes())
    broken[len(broken) // 2] ^= 1
    path.write_bytes(broken)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize("damage", [flip_a_bit, cut, Path.unlink])
@pytest.mark.parametrize("suffix", [".checkpoint", ".json"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    tmp_path: Path, damage, suffix: str
) -> None:
    save(tmp_path, "job", 1, 2)
    damage(tmp_path / f"{2:06}{suffix}")
    if (damage, suffix) == (Path.unlink, ".json"):  # as after a kill between the two files
        assert Checkpoints(tmp_path, "job").latest()["step"] == 1
        return
    with pytest.warns(UserWarning, match="000002.checkpoint: a damaged checkpoint is skipped"):
        assert Checkpoints(tmp_path, "job").latest()["step"] == 1


def test_no_code_in_a_checkpoint_is_executed(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path}/executed",)

    checkpoints = Checkpoints(tmp_path, "job")
    checkpoints.save(1, {"evil": Evil()})
    with pytest.warns(UserWarning, match="it holds more than plain values and tensors"):
        assert checkpoints.latest() is None
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("seconds", ["soon", "-1", "nan", ""])
def test_the_time_between_checkpoints_is_a_number_of_seconds(
    monkeypatch: pytest.MonkeyPatch, seconds: str
) -> None:
    monkeypatch.setenv("HINET_SEARCH_CHECKPOINT_SECONDS", seconds)
    message = (
        f"HINET_SEARCH_CHECKPOINT_SECONDS must be a number of seconds >= 0, got '{seconds}'; "
        "unset it for the default 10"
    )
    with pytest.raises(ConfigurationError, match=f"^{re.escape(message)}$"):
        seconds_apart()


def test_the_environment_sets_how_often_checkpoints_are_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HINET_SEARCH_CHECKPOINT_SECONDS", raising=False)
    assert seconds_apart() == 10.0
    monkeypatch.setenv("HINET_SEARCH_CHECKPOINT_SECONDS", "0.5")
    assert seconds_apart() == 0.5


@contextmanager
def held_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let threads write nothing until the end of the block."""
    may_write = Event()
    save = torch.save

    def waiting(*given: object) -> None:
        may_write.wait()
        save(*given)

    monkeypatch.setattr(torch, "save", waiting)
    try:
        yield
    finally:
        may_write.set()


class Clock:
    """A clock that only a test and the writing of a checkpoint move, by half a second."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(checkpoint.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(checkpoint.torch, "save", lambda *_: self.written())

    def written(self) -> None:
        self.now += 0.5


def test_a_thread_writes_a_twentieth_of_the_time_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    checkpoints = Checkpoints(tmp_path, "job", seconds_apart=4.0)
    clock.now = 3.9
    assert not checkpoints.due()
    clock.now = 4.0
    assert checkpoints.due()
    with held_back(monkeypatch):
        checkpoints.save(1, {})
    checkpoints.finish()
    clock.now = 13.9
    assert not checkpoints.due()
    clock.now = 14.0
    assert checkpoints.due()


def test_a_training_that_waits_for_a_checkpoint_does_so_a_hundredth_of_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    monkeypatch.setattr(checkpoint, "available_memory", lambda: 0)
    checkpoints = Checkpoints(tmp_path, "job", seconds_apart=4.0)
    checkpoints.save(1, {"weight": torch.ones(2)})  # ends at 0.5
    clock.now = 50.4
    assert not checkpoints.due()
    clock.now = 50.5
    assert checkpoints.due()


def test_a_checkpoint_has_the_state_of_its_step_though_the_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(tmp_path, "job")
    state = {"weights": [torch.ones(3)], "moments": {0: torch.ones(3)}}
    with held_back(monkeypatch):
        checkpoints.save(1, state)
        state["weights"][0].add_(1)
        state["moments"][0].add_(1)
        state["weights"].append(torch.ones(3))
    saved = checkpoints.latest()
    assert [weight.tolist() for weight in saved["weights"]] == [[1, 1, 1]]
    assert saved["moments"][0].tolist() == [1, 1, 1]


def test_no_checkpoint_is_due_while_one_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "TIME_SHARE", 1e9)
    monkeypatch.setattr(checkpoint, "WRITING_SHARE", 1e9)
    checkpoints = Checkpoints(tmp_path, "job", seconds_apart=0.0)
    with held_back(monkeypatch):
        checkpoints.save(1, content(1))
        assert not checkpoints.due()
    checkpoints.finish()
    assert checkpoints.due()


def test_a_state_larger_than_its_share_of_the_memory_is_written_at_once_without_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[object] = []
    monkeypatch.setattr(torch, "save", lambda content, _file: written.append(content["weight"]))
    weight = torch.ones(1000)
    for free_bytes, is_copied in ((32_000, True), (31_999, False)):
        monkeypatch.setattr(checkpoint, "available_memory", lambda free=free_bytes: free)
        checkpoints = Checkpoints(tmp_path, "job")
        checkpoints.save(1, {"weight": weight})
        assert is_copied or files(tmp_path)[-1] == "000002.json"
        checkpoints.finish()
        assert (written[-1] is not weight) is is_copied


def test_an_unexpected_error_of_the_thread_ends_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "save", lambda *_: 1 / 0)
    checkpoints = Checkpoints(tmp_path, "job")
    checkpoints.save(1, content(1))
    with pytest.raises(ZeroDivisionError):
        checkpoints.finish()


WRITER = """
import sys, torch
from pathlib import Path
from hinet_search.training.checkpoint import Checkpoints
checkpoints = Checkpoints(Path(sys.argv[1]), "job")
step = int(sys.argv[2])
while True:
    step += 1
    checkpoints.save(step, {"step": step, "weights": torch.full((200_000,), float(step))})
    checkpoints.finish()
    print(step, flush=True)
"""


def test_a_kill_at_any_moment_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    step = 0
    for delay in (0.0, 0.003, 0.007, 0.011, 0.017):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(step)],
            stdout=subprocess.PIPE,
            text=True,
        ) as writer:
            for _ in range(3):
                written = int(writer.stdout.readline())
            time.sleep(delay)
            writer.send_signal(signal.SIGKILL)
        latest = Checkpoints(tmp_path, "job").latest()
        assert latest["step"] >= written
        assert torch.equal(latest["weights"], torch.full((200_000,), float(latest["step"])))
        step = latest["step"]


def test_a_checkpoint_of_a_gpu_is_read_into_memory_of_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node without that device could not read it otherwise."""
    asked: list[object] = []
    load = torch.load

    def loading(path: Path, **options: object) -> object:
        asked.append(options["map_location"])
        return load(path, **options)

    monkeypatch.setattr(torch, "load", loading)
    checkpoints = Checkpoints(tmp_path, "job")
    checkpoints.save(1, {"weight": torch.ones(2)})
    assert checkpoints.latest()["weight"].device.type == "cpu"
    assert asked == ["cpu"]
