"""Groups of inputs earn their place before the search, once, and every trial has those that did."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hinet_search.common.errors import ConfigurationError, Interrupted
from hinet_search.executors import Job
from hinet_search.results.study_record import StudyRecord
from hinet_search.search.ablation import trainings as trainings_of
from hinet_search.search.context import PhaseContext
from hinet_search.search.plan.size_limits import default_of
from hinet_search.search.progress import NullWatcher, Progress
from hinet_search.storage.engine import connect
from hinet_search.storage.listing import list_studies
from hinet_search.training.jobs.messages import TrainingResult, TrainJob
from tests.search import studies
from tests.search.pretended import Listener, Pretender, Studio

FEATURES = "{categorical: [user_id, item_id, city], numeric: [age, price], "
FEATURES += "groups: {who: [age], what: [price], where: [city]}}"
ALL = frozenset({"who", "what", "where"})
INPUTS = "reference: mmoe\ninputs: {seeds: 2}\n"
ARMS = "{mmoe: {space: rate}, shared_bottom: {space: rate}}"
SEARCHED = "include: [./rate.yaml]\nparameters:\n  features.groups: "
SEARCHED += "{kind: categorical, choices: [all, who], default: all}\n"


def groups_of(job: TrainJob) -> frozenset[str]:
    groups = job.config.features.groups
    return ALL if groups == "all" else frozenset(groups.split("+")) - {"none"}


def worth(**worths: float) -> Callable[[TrainJob], float]:
    """The value of a pretended training: what its groups are worth, and its learning rate."""
    return lambda job: (
        0.5 + job.config.train.learning_rate + sum(worths[group] for group in groups_of(job))
    )


HELPFUL = worth(who=0.03, what=0.01, where=0.002)
TWO_USELESS = worth(who=0.03, what=-0.01, where=0.0)


def trainings(pretender: Pretender, *, of_inputs: bool) -> list[Job]:
    """The submitted trainings that measure inputs, or all others."""
    jobs = [job for job in pretender.jobs if isinstance(job.payload, TrainJob)]
    return [job for job in jobs if job.key.startswith(("all inputs", "without ")) == of_inputs]


def inputs_of(pretender: Pretender) -> set[str]:
    """The groups of inputs of all trials and finalists."""
    return {job.payload.config.features.groups for job in trainings(pretender, of_inputs=False)}


def fixed(record: StudyRecord) -> list[object]:
    return [arm.fixed.get("features.groups") for arm in record.arms]


@dataclass
class Stops(Pretender):
    """A signal arrives with the n-th training; what it sent before counts."""

    after: int = 3
    coming: list = field(default_factory=list)

    def submit(self, job: Job) -> None:
        if len(self.jobs) == self.after:
            raise Interrupted("stopped", signal_number=2)
        super().submit(job)


def launch(
    studio: Studio, pretender: Pretender, more: str = INPUTS, arms: str = ARMS, **options: object
) -> StudyRecord:
    return studio.launch(pretender, more, arms, features=FEATURES, **options)[0]  # type: ignore[arg-type]  # as a caller writes them


def test_data_without_groups_have_nothing_to_measure(studio: Studio) -> None:
    record, pretender = studio.launch(arms=ARMS, more=INPUTS)
    assert trainings(pretender, of_inputs=True) == []
    assert fixed(record) == [None, None]


def test_one_arm_is_trained_with_all_groups_and_without_each_with_paired_seeds(
    studio: Studio,
) -> None:
    launch(studio, pretender := Pretender(HELPFUL))
    jobs = [job.payload for job in trainings(pretender, of_inputs=True)]
    assert {job.config.model_name for job in jobs} == {"shared_bottom"}
    assert {job.config.train.learning_rate for job in jobs} == {1e-3}
    sets = [(groups_of(job), job.seed) for job in jobs]
    seeds = {seed for _, seed in sets}
    assert len(seeds) == 2
    assert len(sets) == len({*sets}) == 4 * 2
    assert {groups for groups, _ in sets} == {ALL, *(ALL - {group} for group in ALL)}


def test_useless_groups_are_dropped_from_every_arm_after_a_check_of_them_together(
    studio: Studio,
) -> None:
    record = launch(studio, pretender := Pretender(TWO_USELESS))
    measured = [groups_of(job.payload) for job in trainings(pretender, of_inputs=True)]
    assert measured[8:] == [{"who"}, {"who"}]
    assert fixed(record) == ["who", "who"]
    assert inputs_of(pretender) == {"who"}


def test_groups_that_help_only_together_are_kept(studio: Studio) -> None:
    def value(job: TrainJob) -> float:
        return 0.6 if groups_of(job) & {"what", "where"} else 0.5

    record = launch(studio, pretender := Pretender(value))
    assert len(trainings(pretender, of_inputs=True)) == 5 * 2
    assert fixed(record) == ["all", "all"]


def test_a_single_useless_group_needs_no_further_training(studio: Studio) -> None:
    record = launch(studio, pretender := Pretender(worth(who=0.1, what=0.1, where=-0.1)))
    assert len(trainings(pretender, of_inputs=True)) == 4 * 2
    assert fixed(record) == ["who+what", "who+what"]


def test_a_study_that_was_stopped_measures_only_what_is_missing(studio: Studio) -> None:
    with pytest.raises(Interrupted):
        launch(studio, before := Stops(TWO_USELESS, after=5))
    record = launch(studio, after := Pretender(TWO_USELESS))
    keys = [job.key for job in (*before.jobs, *trainings(after, of_inputs=True))]
    assert len(keys) == len({*keys}) == 5 * 2
    assert fixed(record) == ["who", "who"]


def test_a_later_launch_takes_the_choice_that_was_made(studio: Studio) -> None:
    before = launch(studio, Pretender(TWO_USELESS))
    for more in (INPUTS, "reference: mmoe\n", "reference: mmoe\ninputs: {arm: mmoe, seeds: 5}\n"):
        after = launch(studio, pretender := Pretender(HELPFUL), more, trials=6)
        assert trainings(pretender, of_inputs=True) == []
        assert inputs_of(pretender) <= {"who"}
        assert after.input_runs == before.input_runs
        assert fixed(after) == ["who", "who"]


def test_an_arm_that_is_added_later_gets_the_inputs_of_the_others(studio: Studio) -> None:
    launch(studio, Pretender(TWO_USELESS))
    arms = ARMS.replace("}}", "}, ple: {space: rate}}")
    record = launch(studio, pretender := Pretender(HELPFUL), arms=arms, extend=True)
    assert inputs_of(pretender) == {"who"}
    assert fixed(record) == ["who", "who", "who"]


def test_trials_that_had_all_inputs_are_not_mixed_with_others(studio: Studio) -> None:
    launch(studio, Pretender(TWO_USELESS), "reference: mmoe\n")
    listener = Listener()
    record = launch(studio, pretender := Pretender(TWO_USELESS), trials=6, watcher=listener)
    assert len(trainings(pretender, of_inputs=True)) == 5 * 2
    assert inputs_of(pretender) == {"all"}
    assert fixed(record) == [None, None]
    assert listener.said("inputs", "failed")[-1].startswith("only measured: the study has trials")


def test_an_arm_that_searches_its_groups_or_fixes_them_keeps_its_own(studio: Studio) -> None:
    (studio.folder / "searched.yaml").write_text(SEARCHED)
    arms = "{mmoe: {space: searched}, ple: {space: rate, fixed: {features.groups: where}}, "
    arms += "shared_bottom: {space: rate}}"
    listener = Listener()
    record = launch(studio, pretender := Pretender(TWO_USELESS), arms=arms, watcher=listener)
    assert fixed(record) == [None, "where", "who"]
    assert "features.groups" in {searched.name for searched in record.arms[0].ranges}
    assert "mmoe, ple: inputs stay as the study or a space sets them (features.groups)" in (
        listener.said("inputs", "failed")
    )
    measured = {groups_of(job.payload) for job in trainings(pretender, of_inputs=True)}
    assert ALL in measured


def test_a_group_whose_training_fails_is_kept(studio: Studio) -> None:
    def fails(job: Job) -> str:
        return "no memory" if job.key.startswith("without where") else ""

    listener = Listener()
    record = launch(studio, Pretender(TWO_USELESS, failing=fails), watcher=listener)
    assert fixed(record) == ["who+where", "who+where"]
    assert any("no memory" in text for text in listener.said("inputs", "failed"))


def test_trainings_of_an_arm_are_not_compared_with_those_of_another(studio: Studio) -> None:
    with pytest.raises(Interrupted):
        launch(studio, Stops(HELPFUL, after=3))
    more = "reference: mmoe\ninputs: {arm: mmoe, seeds: 2}\n"
    record = launch(studio, pretender := Pretender(HELPFUL), more)
    assert len(trainings(pretender, of_inputs=True)) == 4 * 2
    assert {run.arm for run in record.input_runs} == {"mmoe"}


@pytest.mark.parametrize("is_cut_off", [True, False])
def test_after_a_signal_only_a_training_that_reached_its_end_is_stored(
    tmp_path: Path, *, is_cut_off: bool
) -> None:
    database, store = studies.store(tmp_path)
    progress = Progress("tiny", 1, "cpu", 4.0, {})
    spec = studies.spec(inputs={"seeds": 1})
    context = PhaseContext(spec, store, tmp_path, "f00d", tmp_path, progress, NullWatcher())
    configs = {(): default_of(studies.arm(tmp_path))}
    phase = trainings_of("hinet", configs, 1, context)
    job = phase.next_job()
    assert job is not None
    evaluation = studies.evaluation(1, 0.6)
    result = TrainingResult(evaluation, stopped=is_cut_off, cost=studies.COST)
    phase.handle_message(job.key, evaluation, lambda: None)
    phase.handle_message(job.key, result, lambda: None)
    phase.end(job.key, "", stopping=True)
    stored = store.paired_runs()
    database.close()
    assert [(run.arm, run.value) for run in stored] == ([] if is_cut_off else [("hinet", 0.6)])


def test_the_status_says_what_groups_are_worth_once_that_is_decided(studio: Studio) -> None:
    url = str(studio.folder / "out" / "studies.sqlite3")

    def told() -> str:
        database = connect(url)
        try:
            return list_studies(database)[0].inputs
        finally:
            database.close()

    with pytest.raises(Interrupted):
        launch(studio, Stops(TWO_USELESS, after=5))
    assert told() == ""
    launch(studio, Pretender(TWO_USELESS))
    assert told().startswith(
        "On these rows validation improves by 0.0300 with who. On these rows less than the margin"
    )


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("inputs: {arm: mmo}", "arm must be auto or an arm of the study, got 'mmo'; did you mean"),
        ("inputs: {seeds: 0}", "seeds"),
        ("sizes: {quick: {inputs: {arm: mmo}}}", "got 'mmo'; did you mean 'mmoe'"),
    ],
)
def test_a_measurement_that_cannot_be_is_refused(studio: Studio, more: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        launch(studio, Pretender(), f"reference: mmoe\n{more}\n")
