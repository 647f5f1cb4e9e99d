"""Export at a limit: the best finalist within it, told with its arm, opened on test or not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import hinet_search as hs
from hinet_search import api
from hinet_search.common.errors import ConfigurationError, StudyConflict
from hinet_search.serving.choice import Limit, choose_at, limit_of
from tests.report.studies import small
from tests.report.traded import traded
from tests.serving import shop
from tests.serving.shop import Shop

TWO = """\
objectives: [mean_auc, latency_ms, worst_auc]
trials: 5
epochs: 2
finalists: {top: 3, seeds: 2}
pruner: {after_epochs: 0.5, startup_trials: 1}
"""


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("5ms", Limit("latency_ms", 5.0)),
        (" 0.5 ms", Limit("latency_ms", 0.5)),
        ("2s", Limit("latency_ms", 2000.0)),
        ("flops_per_row=2e6", Limit("flops_per_row", 2e6)),
        ("auc[home/click] = 0.7", Limit("auc[home/click]", 0.7)),
    ],
)
def test_a_limit_is_a_time_or_a_measure_with_its_value(text: str, limit: Limit) -> None:
    assert limit_of(text) == limit


@pytest.mark.parametrize(
    "text", ["", "5", "5mss", "1.2.3ms", "latency_ms=fast", "latency_ms=", "-5ms", "=5"]
)
def test_a_limit_that_cannot_be_read_is_answered_with_examples(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"\(5ms\) or NAME=VALUE \(flops_per_row=2000000"):
        limit_of(text)


def test_a_limit_of_an_unknown_measure_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"'latency' is not known.*did you mean"):
        limit_of("latency=5")


@pytest.mark.parametrize(
    ("limit", "taken"), [(9.0, "hinet/1"), (8.9, "hinet/2"), (3.0, "ple/3"), (2.0, "ple/4")]
)
def test_the_best_on_validation_within_the_limit_is_taken(limit: float, taken: str) -> None:
    what = choose_at(traded(), None, "best", Limit("latency_ms", limit))
    assert f"{what.name}/{what.trial}" == taken
    assert what.is_tested is (taken in ("hinet/1", "ple/3"))
    assert what.why.endswith(f"finalists on validation with latency_ms at most {limit:g}")


def test_the_seed_is_the_best_on_validation_or_all_are_taken() -> None:
    limit = Limit("latency_ms", 9.0)
    (arm,) = (arm for arm in traded().arms if arm.name == "hinet")
    runs = arm.finalists[0].runs
    best = max(runs, key=lambda run: run.valid_objective)
    assert choose_at(traded(), "hinet", "best", limit).seeds == (best.seed,)
    assert choose_at(traded(), "hinet", "all", limit).seeds == tuple(run.seed for run in runs)


def test_with_a_name_only_finalists_of_that_arm_are_taken() -> None:
    assert choose_at(traded(), "ple", "best", Limit("latency_ms", 9.0)).trial == 3
    with pytest.raises(ConfigurationError, match=r"no arm 'pel', known: .*did you mean 'ple'"):
        choose_at(traded(), "pel", "best", Limit("latency_ms", 9.0))


def test_with_one_objective_only_chosen_finalists_have_kept_their_weights() -> None:
    record = traded(())
    assert choose_at(record, None, "best", Limit("latency_ms", 4.0)).trial == 3
    with pytest.raises(StudyConflict) as caught:
        choose_at(record, None, "best", Limit("latency_ms", 2.0))
    assert "nearest is ple/3 with 3" in str(caught.value)
    assert "`objectives: [mean_auc, latency_ms]`" in caught.value.remedy


def test_a_metric_is_a_lower_limit_where_larger_is_better() -> None:
    limit = limit_of("worst_auc=0.99")
    assert limit.title == "worst_auc at least 0.99"
    with pytest.raises(
        StudyConflict, match=r"no finalist with worst_auc at least 0.99; nearest is"
    ):
        choose_at(traded(), None, "best", limit)


def test_without_times_nothing_is_known_to_be_within() -> None:
    record = replace(small(), state="done")
    with pytest.raises(StudyConflict, match="no finalist whose latency_ms is known"):
        choose_at(record, None, "best", Limit("latency_ms", 9.0))


def test_a_study_that_is_not_done_is_not_exported() -> None:
    with pytest.raises(StudyConflict, match="must be done before it is exported, it is running"):
        choose_at(replace(traded(), state="running"), None, "best", Limit("latency_ms", 9.0))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A done study of three arms with three objectives."""
    text = shop.STUDY.format(arms="  shared_bottom:\n  mmoe:\n  trees:")
    short = "trials: 1\nepochs: 1\nfinalists: {top: 1, seeds: 2}\n"
    text = text.replace(short, f"{TWO}reference: mmoe\n")
    return shop.launch_shop(tmp_path_factory.mktemp("two"), shop.rows(), text)


def test_all_trials_are_timed_and_every_objective_has_a_value(two: Shop) -> None:
    assert two.record.other_objectives == ("latency_ms", "worst_auc")
    for arm in two.record.arms:
        ended = [trial for trial in arm.trials if trial.state in ("complete", "pruned")]
        assert len(ended) == 5
        assert all(trial.cost and trial.cost.milliseconds_per_100 > 0 for trial in ended)
        assert all(each.cells for trial in ended for each in trial.evaluations)


def test_a_finalist_that_is_not_opened_on_test_scores_as_in_training(
    two: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arms = tuple(
        replace(arm, finalists=tuple(each for each in arm.finalists if not each.chosen))
        for arm in two.record.arms
    )
    monkeypatch.setattr(api, "load", lambda *_, **__: replace(two.record, arms=arms))
    rows = tmp_path / "rows.parquet"
    shop.test_part(pl.read_parquet(two.study.parent / "shop.parquet")).write_parquet(rows)
    for arm in arms:
        assert arm.finalists, "another finalist is chosen"
        folder = tmp_path / arm.name
        written = two.export(arm.name, folder, at="1e9ms", seeds="all")
        assert written.trial in {each.trial_number for each in arm.finalists}
        assert (len(written.seeds), written.checked_rows) == (2, 194)
        hs.predict(folder, rows, folder / "scores.parquet")
        assert np.isfinite(pl.read_parquet(folder / "scores.parquet")["click"].to_numpy()).all()
        card = (folder / "card.md").read_text()
        assert "**Test**: not opened for this finalist, which its arm did not choose" in card
        assert f"trial {written.trial}, the best of" in card
        assert "### On validation, seed" in card
