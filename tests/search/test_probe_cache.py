"""The result of a probe is kept: a second check runs none, unless something that the figures depend on has changed."""

import os
from pathlib import Path

import pytest

from hinet_search import api
from hinet_search.search.plan import probe, probe_cache, prober
from hinet_search.search.plan.plan import Plan
from tests.small import STUDY, write_study

ONE_ARM = STUDY.replace("arms: {shared_bottom: , mmoe: }", "arms: {shared_bottom: }")


@pytest.fixture(autouse=True)
def probes(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that every probe was given."""
    given: list[float] = []

    def probed(*asked: object) -> probe.ProbeResult:
        given.append(float(str(asked[-1])))
        return probe.ProbeResult(1.0, 2.0, 1000)

    monkeypatch.setattr(prober, "probe", probed)
    return given


def check(folder: Path, text: str = ONE_ARM, **options: object) -> Plan:
    return api.check(str(write_study(folder, text)), output=folder / "out", **options)


def test_a_second_check_has_the_figures_of_the_first_without_a_probe(
    tmp_path: Path, probes: list[float]
) -> None:
    first = check(tmp_path)
    assert len(probes) == 2
    second = check(tmp_path)
    assert len(probes) == 2
    assert (second.arms, second.probe_seconds) == (first.arms, first.probe_seconds)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("rows: ", "rows: 1"),
        lambda text: f"{text}fixed: {{train.weight_decay: 0.02}}\n",
        lambda text: text.replace("{shared_bottom: }", "{mmoe: }"),
        lambda text: f"{text}cost_limit: 3\n",
    ],
)
def test_another_study_is_probed_anew(tmp_path: Path, probes: list[float], change: object) -> None:
    check(tmp_path)
    check(tmp_path, change(ONE_ARM))  # type: ignore[operator]  # of texts
    assert len(probes) == 4


def test_another_budget_is_probed_anew(tmp_path: Path, probes: list[float]) -> None:
    check(tmp_path)
    assert check(tmp_path, trials=9).trials == 9
    assert len(probes) == 4


def test_probed_or_cached_a_plan_has_the_trials_that_fit_into_a_budget(tmp_path: Path) -> None:
    in_time = ONE_ARM.replace("trials: 3", "budget: 60s")
    trials = [check(tmp_path, in_time).trials for _ in range(2)]
    assert 1 < trials[0] < 100
    assert trials[0] == trials[1]


@pytest.mark.parametrize("name", ["_code", "platform.node"])
def test_other_code_and_another_machine_are_probed_anew(
    tmp_path: Path, probes: list[float], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    check(tmp_path)
    monkeypatch.setattr(f"hinet_search.search.plan.probe_cache.{name}", lambda: "another")
    check(tmp_path)
    assert len(probes) == 4


def test_figures_of_yesterday_are_found_again(tmp_path: Path, probes: list[float]) -> None:
    check(tmp_path)
    (file,) = (tmp_path / "out" / "cache" / "plans").iterdir()
    old = file.stat().st_mtime - probe_cache.CACHE_SECONDS - 1
    os.utime(file, (old, old))
    check(tmp_path)
    assert len(probes) == 4


def test_a_damaged_file_is_no_plan(tmp_path: Path, probes: list[float]) -> None:
    check(tmp_path)
    (file,) = (tmp_path / "out" / "cache" / "plans").iterdir()
    file.write_text(file.read_text()[:40])
    check(tmp_path)
    assert len(probes) == 4


def test_a_probe_in_a_hurry_is_not_kept_but_takes_what_is(
    tmp_path: Path, probes: list[float]
) -> None:
    ready = check(tmp_path).ready
    (file,) = (tmp_path / "out" / "cache" / "plans").iterdir()
    assert probe_cache.cached_plan(ready, probe_seconds=0).arms
    assert len(probes) == 2
    file.unlink()
    probe_cache.cached_plan(ready, probe_seconds=0)
    assert len(probes) == 4
    assert not file.exists()
