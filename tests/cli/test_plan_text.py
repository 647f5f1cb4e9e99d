"""`check` says what a search will try, in which order, and how many trials fit into a budget."""

import json
import re
from pathlib import Path

import polars as pl
import pytest
import torch

from hinet_search import api
from hinet_search.search.plan import probe
from tests.cli.conftest import Run
from tests.small import STUDY, write_study

AMOUNTS = """\
data:
  source: {kind: table, path: rows.csv}
  scenario: {column: place}
  tasks: {watch: {column: seconds, kind: amount}}
  features: {categorical: [age]}
  split: {by: random, seed: 3}
"""
PORTFOLIO = "portfolio: [{train.learning_rate: 0.9}, {train.learning_rate: 0.1}]\n"


@pytest.fixture(autouse=True)
def quick_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a trial take ten seconds, and a finalist too, without training one."""
    monkeypatch.setattr(probe, "probe", lambda *_: probe.ProbeResult(10.0, 10.0, 1000))


def row(run: Run, name: str, study: str = STUDY) -> str:
    """The row of that name in what `check` prints."""
    write_study(Path(), study)
    said = run("check", "small.yaml")
    assert said.code == 0, said.err
    return next(
        line.removeprefix("ok").split(maxsplit=1)[1]
        for line in said.out.splitlines()
        if line.removeprefix("ok").split()[:1] == [name]
    )


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("", "the default, 2 of the portfolio; pruner none"),
        ("portfolio: false\n", "the default, then tpe; pruner none"),
    ],
)
def test_what_is_tried_first_is_told(run: Run, more: str, words: str) -> None:
    assert row(run, "search", STUDY + more) == words


def test_a_machine_without_a_gpu_is_a_fact_and_no_warning(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert row(run, "device", STUDY.replace("device: cpu", "device: auto")) == "cpu"
    assert "training on the CPU" not in run("check", "small.yaml").out


def test_the_rows_of_a_sample_are_told(run: Run) -> None:
    words = "50 % of the users: 1,753 of 4,000 rows"
    assert row(run, "sample", STUDY + "sample: 50%\n") == words
    document = json.loads(run("check", "small.yaml", "--json").out)
    assert document["data"]["sample"] == {"share": 0.5, "unit": "users", "all_rows": 4000}


def test_trainings_without_choices_are_told(run: Run) -> None:
    words = "the best finalist with up to 3 choices taken back x 2 seeds: at most 10 trainings"
    assert row(run, "choices", STUDY + "choices: {seeds: 2, most: 3}\n") == words


def test_the_sampler_comes_where_trials_are_left(run: Run) -> None:
    study = STUDY.replace("trials: 3", "trials: 12")
    words = "the default, 8 of the portfolio, then tpe; pruner none"
    assert row(run, "search", study) == words


def test_configurations_of_the_study_are_told_apart_and_equal_ones_are_one(run: Run) -> None:
    start = "{start: [{train.learning_rate: 0.002}, {train.learning_rate: 0.002}]}"
    study = STUDY.replace("mmoe: }", f"mmoe: {start}}}").replace("trials: 3", "trials: 4")
    words = "the default, 1 named by the study, 2 of the portfolio; pruner none"
    assert row(run, "search", study) == words


def test_an_arm_whose_portfolio_is_fixed_tries_nothing_first(run: Run) -> None:
    Path("tiny.yaml").write_text(
        "parameters:\n  model.dropout: {kind: float, low: 0.0, high: 0.6, default: 0.2}\n"
        + PORTFOLIO
    )
    study = STUDY.replace("{shared_bottom: , mmoe: }", "{mmoe: {space: tiny.yaml}}")
    assert row(run, "search", study) == "the default, then tpe; pruner none"


def test_trials_that_fit_into_a_budget_are_told_as_an_estimate(run: Run) -> None:
    # 5 m: 6 s to start and report; 20.2 s for a trial of both arms on two slots halve to 10.1 s
    study = STUDY.replace("trials: 3", "budget: 5m").replace("seeds: 2", "seeds: 1")
    told = row(run, "arms", study)
    assert "about 27 trials each in 5 m 0 s, 54 in all" in told


@pytest.mark.parametrize(
    ("trials", "words"), [("budget: 5m", "about 50 trials, then"), ("trials: 3", "6 trials, then")]
)
def test_a_launch_says_how_many_trials_it_plans(run: Run, trials: str, words: str) -> None:
    path = write_study(Path(), STUDY.replace("trials: 3", trials))
    assert api.check(str(path)).in_words.startswith(words)


def test_the_mean_of_amounts_is_told_beside_the_data(run: Run) -> None:
    rows = pl.int_range(600, eager=True)
    frame = pl.DataFrame(
        {"place": rows % 2, "age": rows % 7, "seconds": rows % 5 * 0.5, "user": rows % 41}
    )
    frame.write_csv("rows.csv")
    amounts = STUDY.split("data:")[0] + AMOUNTS + STUDY[STUDY.index("arms:") :]
    assert row(run, "amounts", amounts) == "mean in training: watch 1.025"
    document = json.loads(run("check", "small.yaml", "--json").out)
    assert document["data"]["amount_units"]["watch"] == pytest.approx(1.025, abs=0.001)


def test_the_weights_of_rows_are_told_with_the_rows_that_they_are_worth(run: Run) -> None:
    rows = pl.int_range(600, eager=True)
    heavy = pl.when(rows % 50 == 3).then(900).otherwise(1)
    frame = pl.DataFrame(
        {"place": rows % 2, "age": rows % 7, "seconds": rows % 5 * 0.5, "user": rows % 41}
    )
    frame.with_columns(worth=heavy).write_csv("rows.csv")
    weighted = AMOUNTS + "  weight: worth\n"
    study = STUDY.split("data:")[0] + weighted + STUDY[STUDY.index("arms:") :]
    told = row(run, "weights", study)
    (effective,) = re.findall(r"^'worth': \d+ training rows count as (\d+) of equal weights$", told)
    said = run("check", "small.yaml")
    assert f"!!  few rows carry most of the weight {told}; cap weights" in said.out
    document = json.loads(run("check", "small.yaml", "--json").out)
    assert document["data"]["weights"] == {"column": "worth", "effective_rows": int(effective)}


def test_the_smallest_difference_that_the_study_can_show_is_said_before_it(run: Run) -> None:
    said = row(run, "shown")
    found = re.fullmatch(
        r"differences in macro AUC from about (0\.\d+) with 5 seeds; "
        r"no number of seeds shows less than about (0\.\d+)",
        said,
    )
    assert found, said
    with_seeds, least = map(float, found.groups())
    assert 0 < least <= with_seeds < 0.1
