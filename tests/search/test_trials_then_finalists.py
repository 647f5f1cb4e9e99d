"""Finalists of an arm are trained while the last trials of other arms run, and not before its own have ended."""

from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

import pytest

from hinet_search.dashboard.progress_card import finalist_runs
from hinet_search.executors import Job, JobEnd, JobEvent
from hinet_search.search.progress import NullWatcher, Progress, value_text
from hinet_search.training.jobs.messages import TrainJob
from tests.search.pretended import Listener, Pretender, Studio

ARMS = "{mmoe: {space: rate.yaml}, shared_bottom: {space: rate.yaml}}"
MORE = "reference: mmoe\n"


@dataclass
class TwoSlots(Pretender):
    """Two slots; the trial `held` ends when nothing else is left to do."""

    held: str = "shared_bottom/3"
    order: list[str] = field(default_factory=list)  # keys as they begin, and the end of that trial
    waiting_job: Job | None = None

    @property
    def free(self) -> int:
        ends = sum(isinstance(event, JobEnd) for event in self.coming)
        return 2 - ends - (self.waiting_job is not None)

    def submit(self, job: Job) -> None:
        if isinstance(job.payload, TrainJob):
            self.order.append(job.key)
        if job.key == self.held:
            self.waiting_job = job
        else:
            before = self.coming
            super().submit(job)
            self.coming = [*before, *self.coming]

    def poll(self, timeout: float) -> list[JobEvent]:
        if not self.coming and self.waiting_job is not None:
            self.order.append("held trial ends")
            job, self.waiting_job = self.waiting_job, None
            super().submit(job)
        return super().poll(timeout)


def test_finalists_of_an_arm_begin_while_the_last_trial_of_another_runs(studio: Studio) -> None:
    pretender = TwoSlots()
    record, _ = studio.launch(pretender, more=MORE, arms=ARMS, slots=2)
    assert all(len(arm.trials) == 4 for arm in record.arms)
    end = pretender.order.index("held trial ends")
    finalists = [key for key in pretender.order if " seed " in key]
    early = [key for key in pretender.order[:end] if " seed " in key]
    assert early == [key for key in finalists if key.startswith("mmoe/")]
    assert early
    late = [key for key in pretender.order[end:] if " seed " in key]
    assert late == [key for key in finalists if key.startswith("shared_bottom/")]


def test_what_is_chosen_does_not_depend_on_when_its_finalists_were_trained(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    early, _ = studio.launch(TwoSlots(), more=MORE, arms=ARMS, slots=2)
    (tmp_path / "other").mkdir()
    late, _ = Studio(tmp_path / "other", monkeypatch).launch(more=MORE, arms=ARMS)
    for arm, other in zip(early.arms, late.arms, strict=True):
        finalists, others = (
            {
                (each.trial_number, each.chosen, tuple(sorted(run.seed for run in each.runs)))
                for each in record.finalists
            }
            for record in (arm, other)
        )
        assert finalists == others


class Phases(NullWatcher):
    """Notes the phase and its counts once a training of a finalist has begun."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int, int]] = []
        self.has_begun = False

    def tick(self, progress: Progress) -> None:
        self.has_begun |= any(" seed " in key for key in progress.running)
        if self.has_begun:
            phase = progress.phase
            self.seen.append((phase.name, phase.done, phase.total))


def test_progress_is_that_of_the_search_until_its_last_trial_has_ended(studio: Studio) -> None:
    phases = Phases()
    studio.launch(TwoSlots(), more=MORE, arms=ARMS, slots=2, watcher=phases)
    search = [counts for name, *counts in phases.seen if name == "search"]
    assert search
    assert all(counts == [7, 8] for counts in search)  # of eight trials, one runs
    finalists = [counts for name, *counts in phases.seen if name == "finalists"]
    assert finalists[0] == [4, 8]  # those of the other arm ended before
    assert finalists == sorted(finalists)


@pytest.mark.parametrize(("default_value", "trainings"), [(0.9, 2), (0.1, 4)])
def test_the_live_page_counts_the_trainings_of_finalists_that_the_terminal_counts(
    studio: Studio, default_value: float, trainings: int
) -> None:
    def value(job: TrainJob) -> float:
        return default_value if job.config.train.learning_rate == 1e-3 else 0.5

    phases = Phases()
    record, _ = studio.launch(Pretender(value), watcher=phases)
    totals = {total for name, _, total in phases.seen if name == "finalists"}
    assert totals == {trainings}
    assert finalist_runs(record) == (trainings, trainings)


def test_a_training_of_a_finalist_that_failed_counts_neither_here_nor_there(
    studio: Studio,
) -> None:
    phases = Phases()
    failing = Pretender(failing=lambda job: "diverged" if job.key.endswith("seed 1") else "")
    record, _ = studio.launch(failing, watcher=phases)
    assert [done for name, done, _ in phases.seen if name == "finalists"] == [0, 0, 0, 1]
    assert finalist_runs(record) == (2, 4)


def test_a_finalist_and_a_use_of_the_test_split_are_one_event_each_without_a_seed_of_nine_digits(
    studio: Studio,
) -> None:
    listener = Listener()
    record, _ = studio.launch(watcher=listener)
    said = listener.said("finalist", "test")
    (arm,) = record.arms
    texts = [
        f"{arm.name}/{each.trial_number}: {value_text(fmean(run.valid_objective for run in each.runs))}"
        f" on validation, with {len(each.runs)} seeds"
        for each in arm.finalists
    ]
    chosen = next(each.trial_number for each in arm.finalists if each.chosen)
    texts.append(f"{arm.name}/{chosen}, chosen on validation, is scored on the test split")
    assert sorted(said) == sorted(texts)
