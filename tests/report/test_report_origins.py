"""A trial is shown and exported with the origin of its configuration."""

import json
import re
from dataclasses import replace

from hinet_search.report.json_document import json_text
from hinet_search.report.redact import redact
from hinet_search.report.sections.top_trials import build
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


def test_a_trial_is_shown_with_its_origin_unless_the_sampler_drew_it() -> None:
    body = str(build(record()).body)
    shown = re.findall(r"<th scope=\"row\">(.*?)</th>", body)
    assert shown == [
        "4",
        "3 <small>portfolio 1</small>",
        "2 <small>spring: mmoe/12</small>",
        "1 <small>start 1</small>",
        "0 <small>default</small>",
    ]


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


def test_a_configuration_of_two_origins_is_of_the_first() -> None:
    twice = (*STARTS, Start(STARTS[0].values, "portfolio 2"))
    assert record(starts=twice).trials.get_column("origin").to_list()[1] == "start 1"
