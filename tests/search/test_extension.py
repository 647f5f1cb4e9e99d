"""A stored study may be extended by arms, wider ranges and higher limits, and by nothing else."""

import json
from pathlib import Path

import pytest

from hinet_search.common.errors import EnvironmentFault, StudyConflict
from hinet_search.results.study_record import StudyRecord
from hinet_search.search.identity import compare, extension
from tests.search import pretended
from tests.search.pretended import RATE, SPACE, STUDY, Listener, Studio

FLOAT = {
    "kind": "float",
    "low": 0.1,
    "high": 0.5,
    "default": 0.2,
    "log": False,
    "step": None,
    "when": None,
}
STEPS = {**FLOAT, "step": 0.1}
CHOICE = {"kind": "categorical", "choices": [1, 2], "default": 1, "when": None}
WIDTHS = {"kind": "widths", "choices": {"none": [], "16": [16]}, "default": "none", "when": None}


def identity(
    distribution: dict[str, object] = FLOAT, cost_limit: float | None = 2.0, **of_arm: object
) -> str:
    arm = {
        "model": "mmoe",
        "size_of": "",
        "max_parameters": 100,
        "fixed": {},
        "parameters": {"x": distribution},
    }
    return json.dumps(
        {"data": "f00d", "seed": 0, "cost_limit": cost_limit, "arms": {"mmoe": {**arm, **of_arm}}}
    )


@pytest.mark.parametrize(
    ("stored", "change", "said"),
    [
        (FLOAT, {"low": 0.01}, "0.1..0.5 to 0.01..0.5"),
        (FLOAT, {"low": 0.0, "high": 1.0}, "0.1..0.5 to 0..1"),
        (STEPS, {"low": -0.1}, "0.1..0.5 to -0.1..0.5"),
        (CHOICE, {"choices": [3, 2, 1]}, "2 choices to 3 choices"),
        (WIDTHS, {"choices": {"8": [8], "16": [16], "none": []}}, "2 choices to 3 choices"),
    ],
)
def test_more_values_of_a_parameter_extend_a_study(
    stored: dict[str, object], change: dict[str, object], said: str
) -> None:
    words = (f"x of mmoe goes from {said}; trials so far were drawn from the former",)
    assert extension(identity(stored), identity({**stored, **change})) == words


@pytest.mark.parametrize(
    ("stored", "change"),
    [
        (FLOAT, {"low": 0.2}),
        (FLOAT, {"low": 0.05, "high": 0.4}),
        (FLOAT, {"low": 0.05, "log": True}),
        (FLOAT, {"low": 0.05, "default": 0.3}),
        (FLOAT, {"high": 0.9, "when": "y"}),
        (FLOAT, {"kind": "int", "low": 0, "high": 1}),
        (STEPS, {"low": 0.05}),
        (STEPS, {"step": 0.05}),
        (CHOICE, {"choices": [1, 3]}),
        (CHOICE, {"choices": [2, 1]}),
        (CHOICE, {"choices": [True, 2, 3]}),
        (WIDTHS, {"choices": {"none": [1], "16": [16], "8": [8]}}),
    ],
)
def test_any_other_change_of_a_parameter_is_no_extension(
    stored: dict[str, object], change: dict[str, object]
) -> None:
    assert extension(identity(stored), identity({**stored, **change})) is None


def test_higher_limits_extend_a_study_and_lower_ones_do_not() -> None:
    assert extension(identity(), identity(cost_limit=None, max_parameters=2000)) == (
        "max_parameters of arm mmoe goes from 100 to 2,000; draws refused so far stay refused",
        "cost_limit of the study goes from 2.0 to none; draws refused so far stay refused",
    )
    assert extension(identity(), identity(max_parameters=99)) is None
    assert extension(identity(cost_limit=None), identity(cost_limit=2.0)) is None


def test_a_wider_range_is_no_extension_where_something_else_changed_too() -> None:
    assert extension(identity(), identity({**FLOAT, "high": 1.0}, model="hinet")) is None


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Studio:
    made = Studio(tmp_path, monkeypatch)
    (tmp_path / "wide.yaml").write_text(SPACE.replace("high: 1.0e-2", "high: 1.0"))
    return made


def rates(record: StudyRecord, arm: str = "mmoe") -> list[float]:
    (named,) = [each for each in record.arms if each.name == arm]
    return [float(str(trial.parameters[RATE])) for trial in named.trials]


def test_a_wider_study_is_refused_unless_it_is_asked_for(studio: Studio) -> None:
    studio.launch()
    with pytest.raises(StudyConflict) as caught:
        studio.launch(arms="{mmoe: {space: wide}}")
    (line,) = caught.value.problems
    assert line.startswith(
        "study 's' exists in a narrower form: train.learning_rate of mmoe goes from 0.0001..0.01 to "
    )
    assert caught.value.remedy.startswith(
        "--extend resumes it with these changes; or give the study another name"
    )


def test_what_is_not_only_wider_is_refused_though_it_is_asked_for(studio: Studio) -> None:
    studio.launch(arms="{mmoe: {space: wide}}")
    with pytest.raises(
        StudyConflict, match=r"exists with another arms mmoe train\.learning_rate"
    ) as caught:
        studio.launch(extend=True)
    assert caught.value.remedy.startswith("give the study another name")


def test_tpe_draws_from_a_wider_range_and_every_earlier_trial_is_kept(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        pretended,
        "STUDY",
        STUDY.replace("sampler: random", "sampler: {kind: tpe, startup_trials: 4}"),
    )
    first, _ = studio.launch(trials=8)
    told = Listener()
    record, _ = studio.launch(trials=24, arms="{mmoe: {space: wide}}", watcher=told, extend=True)
    assert told.said("extended") == [
        "train.learning_rate of mmoe goes from 0.0001..0.01 to 0.0001..1; trials so far were drawn from the former"
    ]
    assert rates(record)[:8] == rates(first)
    assert max(rates(first)) <= 0.01 < max(rates(record)), (
        "larger rates are better, and TPE finds that out"
    )
    assert record.arms[0].ranges[0].high == 1.0


def test_choices_keep_their_values_when_others_come_before_them(studio: Studio) -> None:
    def choices(listed: str) -> str:
        text = (
            f"parameters:\n  {RATE}: {{kind: categorical, choices: [{listed}], default: 0.003}}\n"
        )
        (studio.folder / "listed.yaml").write_text(text)
        return "{mmoe: {space: listed}}"

    first, _ = studio.launch(arms=choices("0.003, 0.005"), trials=2)
    record, _ = studio.launch(arms=choices("0.001, 0.005, 0.003"), trials=3, extend=True)
    assert rates(record)[:2] == rates(first)
    assert sorted(rates(record)) == [0.001, 0.003, 0.005]


def test_widths_may_be_listed_in_another_order_at_any_launch(studio: Studio) -> None:
    def widths(listed: str) -> str:
        text = (
            f"{SPACE}  model.tower.widths: {{kind: widths, choices: {{{listed}}}, default: none}}\n"
        )
        (studio.folder / "listed.yaml").write_text(text)
        return "{mmoe: {space: listed}}"

    first, _ = studio.launch(arms=widths("none: [], '16': [16]"), trials=4)
    record, _ = studio.launch(arms=widths("'16': [16], none: []"), trials=8)
    assert record.arms[0].trials[:4] == first.arms[0].trials
    assert {trial.parameters["model.tower.widths"] for trial in record.arms[0].trials} == {
        "none",
        "16",
    }


def test_a_new_arm_gets_what_the_others_had_and_they_are_not_trained_again(studio: Studio) -> None:
    first, _ = studio.launch()
    arms = "{flat: {space: rate, model: mmoe}, mmoe: {space: rate}}"
    record, pretender = studio.launch(arms=arms, more="reference: mmoe\n", extend=True)
    assert [arm.name for arm in record.arms] == ["flat", "mmoe"]
    assert len(rates(record, "flat")) == len(rates(record, "mmoe")) == 4
    keys = {job.key.removeprefix("summary of ") for job in pretender.jobs}
    assert {key.partition("/")[0] for key in keys} == {"flat"}
    assert record.arms[1].trials == first.arms[0].trials


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "[" * 100_000,
        "null",
        '{"cost_limit": null}',
        '{"cost_limit": null, "arms": []}',
        '{"cost_limit": null, "arms": ""}',
        identity(fixed="none"),
        identity(parameters=""),
        identity(max_parameters="many"),
        identity().replace("cost_limit", "limit"),
        identity().replace("max_parameters", "parameter"),
        identity().replace('"model"', '"name"'),
        identity().replace('"fixed"', '"held"'),
    ],
)
def test_a_damaged_stored_form_is_named_as_such(stored: str) -> None:
    with pytest.raises(EnvironmentFault, match=r"stored form of the study .* is damaged"):
        compare("small", stored, identity(max_parameters=200), extend=True)
