"""The best finalist is trained again without each choice of the search, with seeds that chose nothing."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from hinet_search.common.errors import ConfigurationError, Interrupted
from hinet_search.executors import Job
from hinet_search.results.ablation import EVERY_CHOICE, measured_choices
from hinet_search.results.study_record import StudyRecord
from hinet_search.search.ablation import choices_of, taken_back
from hinet_search.search.progress import NullWatcher, Progress
from hinet_search.study.search_space import SearchSpace, load_space
from hinet_search.training.jobs.messages import TrainJob
from tests.search.pretended import Listener, Pretender, Studio

WIDE = """\
parameters:
  train.learning_rate: {kind: float, low: 1.0e-4, high: 1.0e-2, log: true, default: 1.0e-3}
  train.weight_decay: {kind: float, low: 0.0, high: 0.1, default: 0.0}
  train.batch_size: {kind: categorical, choices: [512, 1024, 2048], default: 1024}
  features.minimum_frequency: {kind: int, low: 1, high: 20, default: 1}
  features.number_encoding: {kind: categorical, choices: [standardised, bins], default: standardised}
  features.number_encodings.price: {kind: categorical, choices: [bins, piecewise], default: bins}
  features.pooling: {kind: categorical, choices: [mean, attention], default: mean}
  model.san.enabled: {kind: categorical, choices: [true, false], default: false}
  model.san.top_k: {kind: int, low: 0, high: 3, default: 1, when: model.san.enabled}
  model.embedding_dim: {kind: int, low: 4, high: 64, default: 16}
"""
DEFAULT = {
    "train.learning_rate": 1e-3,
    "train.weight_decay": 0.0,
    "train.batch_size": 1024,
    "features.minimum_frequency": 1,
    "features.number_encoding": "standardised",
    "features.number_encodings.price": "bins",
    "features.pooling": "mean",
    "model.san.enabled": False,
    "model.embedding_dim": 16,
}


@pytest.fixture
def space(tmp_path: Path) -> SearchSpace:
    path = tmp_path / "wide.yaml"
    path.write_text(WIDE)
    return load_space(str(path))


def test_a_value_that_only_rounding_tells_from_the_default_is_no_choice(space: SearchSpace) -> None:
    assert choices_of(space, {**DEFAULT, "train.learning_rate": 1e-3 * (1 + 1e-15)}, {}) == []


def test_inputs_go_together_but_for_encodings_and_so_do_rate_and_batch_size(
    space: SearchSpace,
) -> None:
    drawn = {
        **DEFAULT,
        "train.learning_rate": 2e-3,
        "train.batch_size": 512,
        "features.minimum_frequency": 5,
        "features.number_encoding": "bins",
        "features.number_encodings.price": "piecewise",
        "features.pooling": "attention",
    }
    assert set(choices_of(space, drawn, {})) == {
        ("train.learning_rate", "train.batch_size"),
        ("features.minimum_frequency", "features.pooling"),
        ("features.number_encoding",),
        ("features.number_encodings.price",),
    }


def test_what_a_setting_switches_on_is_part_of_its_choice(space: SearchSpace) -> None:
    drawn = {**DEFAULT, "model.san.enabled": True, "model.san.top_k": 2}
    (choice,) = choices_of(space, drawn, {})
    assert choice == ("model.san.enabled", "model.san.top_k")
    assert taken_back(space, drawn, choice) == DEFAULT


def test_continuous_choices_come_last_and_important_ones_first(space: SearchSpace) -> None:
    drawn = {
        **DEFAULT,
        "train.weight_decay": 0.05,
        "model.embedding_dim": 32,
        "features.number_encoding": "bins",
    }
    importances = {"train.weight_decay": 0.9, "features.number_encoding": 0.08}
    assert choices_of(space, drawn, importances) == [
        ("features.number_encoding",),
        ("model.embedding_dim",),
        ("train.weight_decay",),
    ]


SPACE_OF_ARM = """\
parameters:
  train.learning_rate: {kind: float, low: 1.0e-4, high: 1.0e-2, log: true, default: 1.0e-3}
  train.weight_decay: {kind: float, low: 0.0, high: 0.01, default: 0.0}
  model.embedding_dim: {kind: int, low: 4, high: 64, default: 16}
"""
KEYS = "reference: mmoe\nchoices: {seeds: 3}\n"
ARMS = "{mmoe: {space: choices}, shared_bottom: {space: choices}}"


def value(job: TrainJob) -> float:
    """Wider embeddings are better, decay is worse, the rate changes nothing; MMoE is better."""
    config = job.config
    of_model = 0.05 if config.model_name == "mmoe" else 0.0
    noise = 1e-5 * (job.seed % 7)
    return 0.5 + of_model + config.model.embedding_dim / 1000 - config.train.weight_decay + noise


def launch(
    studio: Studio, pretender: Pretender, more: str = KEYS, **options: object
) -> StudyRecord:
    (studio.folder / "choices.yaml").write_text(SPACE_OF_ARM)
    return studio.launch(pretender, more, ARMS, **options)[0]  # type: ignore[arg-type]  # as a caller writes them


def of_choices(pretender: Pretender) -> list[Job]:
    return [job for job in pretender.jobs if "choice seed" in job.key]


def test_the_best_finalist_is_trained_as_it_is_without_all_choices_and_without_each(
    studio: Studio,
) -> None:
    listener = Listener()
    record = launch(studio, pretender := Pretender(value), watcher=listener)
    jobs = [job.payload for job in of_choices(pretender)]
    assert {job.config.model_name for job in jobs} == {"mmoe"}
    (finalist,) = (each for each in record.arms[0].finalists if each.chosen)
    parameters = finalist.parameters
    widths = {job.config.model.embedding_dim for job in jobs}
    assert widths == {16, parameters["model.embedding_dim"]}
    decays = sorted({job.config.train.weight_decay for job in jobs})
    assert decays == pytest.approx([0.0, parameters["train.weight_decay"]])
    assert len(jobs) == len({repr((job.config, job.seed)) for job in jobs}) == 3 * (2 + 3)
    seeds = {job.seed for job in jobs}
    assert len(seeds) == 3
    assert not seeds & {run.seed for run in finalist.runs}, "these seeds chose nothing"
    assert {job.weights for job in jobs} == {None}
    measured = measured_choices(record)
    assert measured is not None
    gains = {choice.name: choice.gain.mean for choice in measured.choices if choice.gain}
    width = parameters["model.embedding_dim"]
    assert gains["model.embedding_dim"] == pytest.approx((width - 16) / 1000)
    assert gains["train.weight_decay"] == pytest.approx(-parameters["train.weight_decay"])
    assert gains["train.learning_rate"] == 0
    assert measured.whole is not None
    assert measured.whole.mean == pytest.approx(sum(gains.values()))
    assert listener.said("choices") == [measured.sentence]


def test_at_most_so_many_choices_are_taken_back_one_at_a_time(studio: Studio) -> None:
    record = launch(studio, Pretender(value), "reference: mmoe\nchoices: {seeds: 2, most: 1}\n")
    left_out = {run.left_out for run in record.paired_runs}
    assert left_out == {(), (EVERY_CHOICE,), ("model.embedding_dim",)}
    measured = measured_choices(record)
    assert measured is not None
    assert measured.left == ("train.learning_rate", "train.weight_decay")


def test_a_named_arm_is_taken_in_place_of_the_better_one_of_an_earlier_launch(
    studio: Studio,
) -> None:
    launch(studio, Pretender(value))
    more = "reference: mmoe\nchoices: {seeds: 2, arm: shared_bottom}\n"
    record = launch(studio, Pretender(value), more)
    assert {run.arm.split("/")[0] for run in record.paired_runs} == {"shared_bottom"}


def test_a_default_that_is_the_best_finalist_has_no_choice_to_take_back(studio: Studio) -> None:
    listener = Listener()
    pretender = Pretender(lambda job: -abs(job.config.train.learning_rate - 1e-3))
    record = launch(studio, pretender, watcher=listener)
    assert of_choices(pretender) == []
    assert record.paired_runs == ()
    assert listener.said("choices")[0].endswith("/0 is the default")


def test_a_choice_whose_training_fails_is_not_measured(studio: Studio) -> None:
    def fails(job: Job) -> str:
        return "no memory" if "without model.embedding_dim" in job.key else ""

    listener = Listener()
    record = launch(studio, Pretender(value, failing=fails), watcher=listener)
    measured = measured_choices(record)
    assert measured is not None
    assert measured.left == ("model.embedding_dim",)
    assert len([text for text in listener.said("failed") if "no memory" in text]) == 3


@dataclass
class StopsAtChoice(Pretender):
    """A signal arrives with the n-th training of choices."""

    after: int = 4

    def submit(self, job: Job) -> None:
        if len(of_choices(self)) == self.after:
            raise Interrupted("stopped", signal_number=2)
        super().submit(job)


def test_the_next_launch_trains_what_is_missing_and_repeats_nothing(studio: Studio) -> None:
    with pytest.raises(Interrupted):
        launch(studio, first := StopsAtChoice(value))
    record = launch(studio, second := Pretender(value))
    keys = [job.key for job in of_choices(first) + of_choices(second)]
    assert len(keys) == len(set(keys)) == 3 * 5
    assert len(record.paired_runs) == 3 * 5
    launch(studio, third := Pretender(value))
    assert of_choices(third) == []


@dataclass
class Phases(NullWatcher):
    """Keeps the name and the total of the phase of choices, and the jobs ahead before it."""

    total: int = 0
    ahead: int = -1
    before: int = 0

    def tick(self, progress: Progress) -> None:
        if progress.phase.name == "choices":
            self.total, self.ahead = progress.phase.total, progress.ahead
        if progress.phase.name == "search":
            self.before = progress.ahead


def test_progress_counts_the_trainings_before_and_in_their_phase(studio: Studio) -> None:
    watcher = Phases()
    launch(studio, Pretender(value), watcher=watcher)
    assert (watcher.total, watcher.ahead) == (3 * 5, 0)
    assert watcher.before == 2 * 2 * 2 + 3 * 8, "finalists of two arms, and choices at most"


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("choices: {arm: mmo}", "arm must be auto or an arm of the study, got 'mmo'; did you mean"),
        ("choices: {seeds: 1}", "seeds"),
        ("choices: {most: 0}", "most"),
        ("choices: often", "choices"),
        ("sizes: {quick: {choices: {arm: mmo}}}", "got 'mmo'; did you mean 'mmoe'"),
    ],
)
def test_choices_that_cannot_be_measured_are_refused(
    studio: Studio, more: str, problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        launch(studio, Pretender(), f"reference: mmoe\n{more}\n")
