"""Checkpoints are written atomically, belong to one job, and take 1 % of a training's time."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from hinet_search.common.errors import ConfigurationError
from hinet_search.training import checkpoint
from hinet_search.training.checkpoint import NUM_KEPT, Checkpoints, seconds_apart


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def content(step: int) -> dict[str, object]:
    return {
        "step": step,
        "weights": torch.full((1000,), float(step)),
        "names": ["a", ("b", None)],
        "share": 0.5,
    }


def test_the_latest_checkpoint_is_the_one_saved_last(tmp_path: Path) -> None:
    for step in (5, 40):
        Checkpoints(tmp_path / "new", "job").save(step, content(step))
    latest = Checkpoints(tmp_path / "new", "job").latest()
    assert latest["step"] == 40
    assert torch.equal(latest["weights"], content(40)["weights"])
    assert (latest["names"], latest["share"]) == (["a", ("b", None)], 0.5)


def test_without_a_checkpoint_there_is_none(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "nowhere", "job").latest() is None


def test_the_last_two_stay(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "job")
    for step in range(1, 6):
        checkpoints.save(step, content(step))
    assert files(tmp_path) == [
        f"{step:06}{end}" for step in (4, 5) for end in (".checkpoint", ".json")
    ]
    assert NUM_KEPT == 2


def test_what_was_written_last_counts_though_its_step_is_smaller(tmp_path: Path) -> None:
    Checkpoints(tmp_path, "other settings").save(400, content(400))
    for step in (3, 4):
        Checkpoints(tmp_path, "job").save(step, content(step))
    assert Checkpoints(tmp_path, "job").latest()["step"] == 4
    assert len(files(tmp_path)) == 2 * NUM_KEPT


def test_a_checkpoint_of_other_settings_is_not_taken_up(tmp_path: Path) -> None:
    Checkpoints(tmp_path, "mmoe with 3 experts").save(1, content(1))
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
    checkpoints = Checkpoints(tmp_path, "job")
    checkpoints.save(1, content(1))
    checkpoints.save(2, content(2))
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

    Checkpoints(tmp_path, "job").save(1, {"evil": Evil()})
    with pytest.warns(UserWarning, match="it holds more than plain values and tensors"):
        assert Checkpoints(tmp_path, "job").latest() is None
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


def test_writing_takes_a_hundredth_of_the_time_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    checkpoints = Checkpoints(tmp_path, "job", seconds_apart=10.0)
    monkeypatch.setattr(checkpoint.torch, "save", lambda *_: now.__setitem__(0, now[0] + 0.5))
    now[0] = 9.9
    assert not checkpoints.due()
    now[0] = 10.0
    assert checkpoints.due()
    checkpoints.save(1, {})  # ends at 10.5
    now[0] = 60.4
    assert not checkpoints.due()
    now[0] = 60.5
    assert checkpoints.due()


WRITER = """
import sys, torch
from pathlib import Path
from hinet_search.training.checkpoint import Checkpoints
checkpoints = Checkpoints(Path(sys.argv[1]), "job")
step = int(sys.argv[2])
while True:
    step += 1
    checkpoints.save(step, {"step": step, "weights": torch.full((200_000,), float(step))})
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
    Checkpoints(tmp_path, "job").save(1, {"weight": torch.ones(2)})
    assert Checkpoints(tmp_path, "job").latest()["weight"].device.type == "cpu"
    assert asked == ["cpu"]
