"""What the choices of the search are worth follows from paired seeds, and holds for all rows together."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from hinet_search.results.choice_worth import EVERY_CHOICE, MeasuredChoices, measured_choices
from hinet_search.results.paired_runs import PairedRun
from hinet_search.results.study_record import StudyRecord
from tests.report.measured import measured as measured_inputs
from tests.report.moved import EXPERTS, FULL, GAINS, RATES, SPREAD, WIDTH, moved, with_choices
from tests.report.studies import small

NOTHING = dict.fromkeys([(EVERY_CHOICE,), EXPERTS, RATES, WIDTH], 0.0)


def measured(record: StudyRecord) -> MeasuredChoices:
    choices = measured_choices(record)
    assert choices is not None
    return choices


def without_seed(record: StudyRecord, left_out: tuple[str, ...], seed: int) -> StudyRecord:
    kept = [run for run in record.paired_runs if (run.left_out, run.seed) != (left_out, seed)]
    return replace(record, paired_runs=tuple(kept))


def test_gains_are_means_over_seeds_with_bonferronis_intervals_and_the_best_comes_first() -> None:
    choices = measured(moved())
    assert [tuple(each.settings) for each in choices.choices] == [EXPERTS, RATES, WIDTH]
    gains = [GAINS[EXPERTS] + spread for spread in SPREAD]
    half = stats.t.ppf(1 - 0.05 / 4 / 2, 4) * np.std(gains, ddof=1) / 5**0.5
    gain = choices.choices[0].gain
    assert gain is not None
    assert gain.mean == pytest.approx(GAINS[EXPERTS])
    assert (gain.low, gain.high) == pytest.approx((gain.mean - half, gain.mean + half))
    assert choices.whole is not None
    assert choices.whole.mean == pytest.approx(GAINS[(EVERY_CHOICE,)])
    assert choices.num_seeds == 5


def test_a_choice_has_the_defaults_and_the_finalists_values_of_its_settings() -> None:
    choice = measured(moved()).choices[0]
    assert choice.settings == {EXPERTS[0]: (3, 7)}


def test_what_moved_it_is_told_and_what_made_it_worse() -> None:
    assert measured(moved()).sentence == (
        "Validation is shown to improve with model.scenario.num_sub_experts by .0094. "
        "It is shown to be better without model.embedding_dim. "
        "All choices together improve it by .0121."
    )


def test_where_nothing_is_shown_that_is_said() -> None:
    choices = measured(with_choices(small(), NOTHING))
    assert choices.shown == ()
    assert choices.sentence == (
        "No single choice is shown to have moved it. "
        "No difference is shown of all choices together."
    )


def test_of_a_minimised_objective_a_lower_value_is_a_gain() -> None:
    record = with_choices(replace(small(), objective="logloss", maximize=False), GAINS)
    assert [each.name for each in measured(record).shown] == [EXPERTS[0]]


def test_a_choice_with_a_seed_missing_is_an_observation() -> None:
    choices = measured(without_seed(moved(), EXPERTS, 2))
    gain = choices.choices[0].gain
    assert gain is not None
    assert (gain.lacks, gain.mark) == ("4 of 5 seeds", "observation")
    assert choices.shown == ()


def test_a_value_that_is_no_number_is_no_value() -> None:
    record = with_choices(small(), {EXPERTS: 0.0})
    runs = [replace(run, value=math.nan) if run.left_out else run for run in record.paired_runs]
    (choice,) = measured(replace(record, paired_runs=tuple(runs))).choices
    assert choice.gain is None


def test_settings_that_were_not_taken_back_are_named() -> None:
    choices = measured(with_choices(small(), {EXPERTS: 0.01}))
    assert choices.left == ("train.learning_rate", "model.dropout", "model.embedding_dim", RATES[2])
    assert choices.whole is None


def test_trainings_of_inputs_are_no_choices_and_the_reverse() -> None:
    assert measured_choices(measured_inputs()) is None
    both = with_choices(measured_inputs(), GAINS)
    assert both.input_runs == measured_inputs().input_runs
    assert measured(both).sentence == measured(moved()).sentence


def test_trainings_of_a_finalist_that_is_none_are_left_out() -> None:
    runs = (PairedRun("hinet/77", (), 1, FULL), PairedRun("hinet/77", EXPERTS, 1, FULL))
    assert measured_choices(replace(small(), paired_runs=runs)) is None
