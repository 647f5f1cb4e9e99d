"""Slots of this machine take turns at its GPUs; no GPU is needed to see which one a slot is given."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import torch

from hinet_search.executors import Executor, JobEnd
from hinet_search.executors.local import Options, gpus, start
from hinet_search.executors.processes.environment import SLOTS_OF_GPU
from tests.executors import jobs
from tests.executors.driving import bodies, submit, wait_for

VISIBLE = "CUDA_VISIBLE_DEVICES"
MIG = ("MIG-5c1f4c53", "MIG-8a5c1d9e")


def given(monkeypatch: pytest.MonkeyPatch, listed: str | None, num_visible: int) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: num_visible)
    if listed is None:
        monkeypatch.delenv(VISIBLE, raising=False)
    else:
        monkeypatch.setenv(VISIBLE, listed)


@pytest.mark.parametrize(
    ("listed", "num_visible", "expected"),
    [
        (None, 0, ()),
        (None, 2, ("0", "1")),
        ("", 0, ()),
        ("-1", 0, ()),
        ("3,1", 2, ("3", "1")),
        (" 3 , 1", 2, ("3", "1")),
        ("0,-1,1", 1, ("0",)),
        ("0,9", 1, ("0",)),
        ("GPU-8932f937,GPU-72a1", 2, ("GPU-8932f937", "GPU-72a1")),
        (",".join(MIG), 1, MIG),
    ],
)
def test_gpus_are_those_that_cuda_would_show(
    monkeypatch: pytest.MonkeyPatch, listed: str | None, num_visible: int, expected: tuple[str, ...]
) -> None:
    given(monkeypatch, listed, num_visible)
    assert gpus() == expected


@pytest.mark.parametrize(("num_gpus", "expected"), [(0, 5), (1, 5), (2, 3), (4, 2), (8, 1)])
def test_slots_per_gpu_are_those_of_the_fullest(
    monkeypatch: pytest.MonkeyPatch, num_gpus: int, expected: int
) -> None:
    given(monkeypatch, None, num_gpus)
    assert Options().slots_per_gpu(5) == expected


@contextmanager
def slots(number: int, home: Path) -> Iterator[Executor]:
    with closing(start(number, home, Options())) as executor:
        yield executor


def seen(executor: Executor, number: int, name: str = VISIBLE) -> dict[str, str | None]:
    """What each slot sees of an environment variable, by the number of the slot."""
    for job in range(number):
        submit(executor, jobs.tell_process, key=f"arm/{job}")
    heard = wait_for(
        executor, lambda heard: sum(isinstance(event, JobEnd) for event in heard) == number
    )
    told = [bodies(heard, f"arm/{job}")[0][1] for job in range(number)]
    return {each["HINET_SEARCH_SLOT"]: each.get(name) for each in told}


def test_slot_i_sees_gpu_i_modulo_their_number(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given(monkeypatch, ",".join(MIG), 1)
    with slots(3, tmp_path) as executor:
        assert seen(executor, 3) == {"0": MIG[0], "1": MIG[1], "2": MIG[0]}
        assert set(seen(executor, 3, SLOTS_OF_GPU).values()) == {"2"}


def test_a_slot_that_is_replaced_keeps_its_gpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given(monkeypatch, None, 2)
    with slots(2, tmp_path) as executor:
        for job in range(2):
            submit(executor, jobs.sleep_deafly, 600.0, key=f"arm/{job}")
        executor.kill("arm/1")
        wait_for(executor, lambda heard: any(isinstance(event, JobEnd) for event in heard))
        submit(executor, jobs.tell_process, key="arm/2")
        heard = wait_for(executor, lambda heard: any(isinstance(event, JobEnd) for event in heard))
        ((_, environment, _),) = bodies(heard, "arm/2")
    assert (environment["HINET_SEARCH_SLOT"], environment[VISIBLE]) == ("1", "1")


def test_without_a_gpu_slots_see_what_their_launch_sees(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given(monkeypatch, "-1", 0)
    with slots(1, tmp_path) as executor:
        assert seen(executor, 1) == {"0": "-1"}
