"""A forecast of time is that of free cores, and what other work takes of them is said beside it."""

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from subprocess import Popen
from types import SimpleNamespace

import pytest
import torch

from hinet_search.search import machine
from hinet_search.search.machine import examine
from hinet_search.search.plan import probe
from hinet_search.study.launch_options import LaunchOptions, num_cores
from tests.cli.conftest import Run
from tests.small import write_study
from tests.waiting import wait_until

SAID = (
    "cores: other work takes them, the 2 slots would get about 0.4 of 2 now: "
    "the time assumes free cores, and is longer while this lasts"
)


@pytest.fixture(autouse=True)
def busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cores, of which others take most."""
    monkeypatch.setattr(machine, "num_cores", lambda: 2)
    monkeypatch.setattr(machine, "free_cores", lambda wanted: 0.2 * wanted)
    monkeypatch.setattr(probe, "probe", lambda *_: probe.ProbeResult(10.0, 10.0, 1000))


def test_check_says_it_beside_the_time(run: Run) -> None:
    write_study(Path())
    assert f"!!  {SAID}\n" in run("check", "small.yaml").out
    assert SAID in json.loads(run("check", "small.yaml", "--json").out)["warnings"]


def test_launch_says_it_after_its_plan(run: Run) -> None:
    write_study(Path())
    said = run("launch", "small.yaml", "--trials", "1", "--finalist-seeds", "1", "--json")
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert [line["text"] for line in lines if line["event"] == "plan"][1:] == [SAID]


@pytest.mark.parametrize(
    ("share", "device", "executor"),
    [(0.8, "cpu", "local"), (0.1, "cuda", "local"), (0.1, "cpu", "ray")],
    ids=["free cores", "a GPU", "slots elsewhere"],
)
def test_nothing_is_said_of(
    monkeypatch: pytest.MonkeyPatch, share: float, device: str, executor: str
) -> None:
    monkeypatch.setattr(machine, "free_cores", lambda wanted: share * wanted)
    spec = SimpleNamespace(executor=SimpleNamespace(kind=executor))
    chosen = SimpleNamespace(device=torch.device(device))
    ready = SimpleNamespace(study=SimpleNamespace(spec=spec), device=chosen, slots=2)
    assert machine.busy_cores(ready) == []  # type: ignore[arg-type]  # the parts that are read


def test_the_doctor_says_it_of_all_cores() -> None:
    facts = {fact.name: fact for fact in examine(LaunchOptions())}
    assert facts["processors"].problem.startswith("other work takes them: about ")
    assert not facts["processors"].blocks


def test_other_processes_take_cores_from_what_is_measured() -> None:
    loop = [sys.executable, "-c", "while True: pass"]
    with ExitStack() as stack:
        for _ in range(3 * num_cores()):
            process = stack.enter_context(Popen(loop))
            stack.callback(process.kill)
        wait_until(lambda: machine._share_of_a_core(0.2) < machine.MOSTLY_FREE)
