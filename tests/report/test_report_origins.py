"""The card of origins says what each source of configurations reached, and which the best are from."""

import json
from dataclasses import replace

import pytest

from hinet_search.report.json_document import json_text
from hinet_search.report.redact import redact
from hinet_search.report.sections import NotApplicable
from hinet_search.report.sections.origins import build
from hinet_search.results.records import Scalar, Start, TrialRecord
from hinet_search.results.study_record import StudyRecord
from tests.report.studies import Shape, study

RATE = "train.learning_rate"
STARTS = (
    Start({RATE: 0.1}, "start 1"),
    Start({RATE: 0.2}, "mmoe/12", "spring"),
    Start({RATE: 0.3}, "portfolio 1"),
)


def trial(number: int, rate: float, value: float | None, state: str = "complete") -> TrialRecord:
    parameters: dict[str, Scalar] = {RATE: rate}
    return TrialRecord(number, state, value, parameters, number == 0, "", (), None)


TRIALS = (
    trial(0, 0.05, 0.70),
    trial(1, 0.1, 0.71),
    trial(2, 0.2, 0.72),
    trial(3, 0.3, 0.73),
    trial(4, 0.4, 0.74),
    trial(5, 0.5, None, "pruned"),
)


def record(*trials: TrialRecord, starts: tuple[Start, ...] = STARTS) -> StudyRecord:
    made_up = study(Shape(arms=("hinet",)))
    arms = (replace(made_up.arms[0], trials=trials or TRIALS, starts=starts),)
    return replace(made_up, arms=arms)


def cells(body: str) -> list[str]:
    return [part.split("<")[0] for part in body.split("<td")[1:]]


def test_every_origin_has_a_column_with_its_best_value_and_its_trials() -> None:
    body = str(build(record()).body)
    columns = ["Arm", "Default", "Named by the study", "Study spring", "Portfolio"]
    columns += ["Sampler (tpe)", "Best trial"]
    places = [body.index(f">{column}</th>") for column in columns]
    assert places == sorted(places)
    for value, number in ((".7000", 1), (".7100", 1), (".7200", 1), (".7300", 1), (".7400", 2)):
        assert f">{value} of {number}<" in body


@pytest.mark.parametrize(
    ("best", "words", "origin"),
    [
        (0, "trial 0<", "the default"),
        (1, "trial 1: start 1<", "what the study names"),
        (2, "trial 2: mmoe/12<", "study spring"),
        (3, "trial 3: portfolio 1<", "the portfolio"),
        (4, "trial 4<", "the sampler"),
    ],
)
def test_the_best_trial_is_told_with_its_origin(best: int, words: str, origin: str) -> None:
    trials = tuple(replace(each, value=0.9) if each.number == best else each for each in TRIALS)
    card = build(record(*trials))
    assert words in str(card.body)
    assert card.heading == f"The best trials came from {origin} in 1 arm"


def test_where_less_is_better_the_best_value_is_the_lowest() -> None:
    card = build(replace(record(), maximize=False))
    assert "trial 0<" in str(card.body)


def test_an_origin_without_a_complete_trial_has_no_value() -> None:
    body = str(build(record(*TRIALS[:4], TRIALS[5])).body)
    assert ">– of 1<" in body


def test_a_trial_has_its_origin_in_frames_and_files() -> None:
    origins = ["default", "start 1", "spring: mmoe/12", "portfolio 1", "sampler", "sampler"]
    assert record().trials.get_column("origin").to_list() == origins
    trials = json.loads(json_text(record()))["trials"]
    place = trials["columns"].index("origin")
    assert [row[place] for row in trials["rows"]] == origins


def test_a_published_report_names_no_other_study() -> None:
    public = redact(record())
    assert "spring" not in str(build(public).body)
    assert "mmoe" not in str(build(public).body)
    assert public.arms[0].start_of(public.arms[0].trials[2]) is not None


def test_arms_without_starts_have_no_card() -> None:
    with pytest.raises(NotApplicable, match="needs a complete trial of an arm that has"):
        build(record(starts=()))


def test_a_configuration_of_two_origins_is_of_the_first() -> None:
    twice = (*STARTS, Start(STARTS[0].values, "portfolio 2"))
    assert record(starts=twice).trials.get_column("origin").to_list()[1] == "start 1"


def test_a_draw_that_was_not_trained_is_not_counted() -> None:
    duplicate = replace(trial(6, 0.6, None, "pruned"), cause="duplicate of trial 4")
    assert ">.7400 of 2<" in build(record(*TRIALS, duplicate)).body
