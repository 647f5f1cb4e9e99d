"""An arm of another arm's size begins when that arm has its finalists, and keeps its size."""

from dataclasses import replace
from itertools import groupby

from hinet_search.executors import Job, Message
from hinet_search.search.progress import NullWatcher, Progress
from hinet_search.study.load_study import DENSE_PARAMETERS
from hinet_search.training.jobs.messages import TrainingResult, TrainJob
from tests.search.pretended import Pretender, Studio

ARMS = "{hinet: {space: rate}, flat_moe: {space: rate, size_of: hinet}}"
ALONE = "{flat_moe: {space: rate, size_of: hinet}}"
SIZE = 4_321


class Sized(Pretender):
    """Its best trainings, those with the largest rate so far, have SIZE dense parameters; all others have 10."""

    best = 0.0

    def submit(self, job: Job) -> None:
        super().submit(job)
        value = self.value(job.payload) if isinstance(job.payload, TrainJob) else 0.0
        if value < self.best:
            return
        self.best = value
        self.coming = [
            _with_size(said) if isinstance(said, Message) else said for said in self.coming
        ]


def _with_size(said: Message) -> Message:
    if not isinstance(said.body, TrainingResult):
        return said
    return replace(
        said, body=replace(said.body, cost=replace(said.body.cost, dense_parameters=SIZE))
    )


def begun(pretender: Pretender) -> list[tuple[str, bool]]:
    """Arms in the order in which their trainings began, and whether those were of finalists; repetitions once."""
    jobs = [job for job in pretender.jobs if isinstance(job.payload, TrainJob)]
    return [key for key, _ in groupby((job.key.split("/")[0], " seed " in job.key) for job in jobs)]


def sizes(pretender: Pretender) -> set[object]:
    """Sizes that trials and finalists of the sized arm were given."""
    jobs = [
        job
        for job in pretender.jobs
        if job.key.startswith("flat_moe") and isinstance(job.payload, TrainJob)
    ]
    return {job.payload.config.model.dense_parameters for job in jobs}


def test_the_sized_arm_begins_when_the_other_one_has_finalists(studio: Studio) -> None:
    _, pretender = studio.launch(arms=ARMS, more="reference: hinet\n")
    assert begun(pretender) == [
        ("hinet", False),
        ("hinet", True),
        ("flat_moe", False),
        ("flat_moe", True),
    ]


def test_it_gets_the_size_of_the_finalist_that_stands_for_the_other_one(studio: Studio) -> None:
    record, pretender = studio.launch(Sized(), arms=ARMS, more="reference: hinet\n")
    assert sizes(pretender) == {SIZE}
    arm = record.arms[1]
    assert (arm.size_of, arm.fixed[DENSE_PARAMETERS]) == ("hinet", SIZE)


def test_the_size_stays_when_more_trials_find_a_better_one(studio: Studio) -> None:
    studio.launch(Sized(), arms=ARMS, more="reference: hinet\n")
    _, pretender = studio.launch(arms=ARMS, more="reference: hinet\n", trials=8)
    assert sizes(pretender) == {SIZE}


def test_without_such_an_arm_it_gets_the_size_of_the_models_default(studio: Studio) -> None:
    record, pretender = studio.launch(arms=ALONE, more="reference: flat_moe\n")
    (size,) = sizes(pretender)
    assert isinstance(size, int)
    assert size > 1000
    assert record.arms[0].fixed[DENSE_PARAMETERS] == size


class Phases(NullWatcher):
    """Keeps the names of the phases that it saw."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def tick(self, progress: Progress) -> None:
        if progress.phase.name not in self.seen[-1:]:
            self.seen.append(progress.phase.name)


def test_phases_of_the_sized_arm_have_its_name(studio: Studio) -> None:
    phases = Phases()
    studio.launch(arms=ARMS, more="reference: hinet\n", watcher=phases)
    assert phases.seen == [
        "search",
        "finalists",
        "search of flat_moe",
        "finalists of flat_moe",
        "test",
        "summaries",
    ]
