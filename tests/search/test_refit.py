"""At its end a study refits what it ships: a model, a student or an ensemble, and nothing else."""

import re
from pathlib import Path

import pytest

from hinet_search.executors import Job
from hinet_search.results.decision import decision
from hinet_search.results.ensemble_records import ENSEMBLE
from hinet_search.results.finalist_values import chosen
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import verdict
from hinet_search.training.jobs.messages import RefitJob, TrainJob, refit_files, refit_path
from tests.search.pretended import Listener, Pretender, Studio

ARMS = "{mmoe: {space: rate}, shared_bottom: {space: rate}}"
REFIT = "{top: 1, seeds: 2, refit: true}"
REFERENCE = "reference: mmoe\n"
STUDENTS = REFERENCE + "teaching: {students: [mmoe], trials: 2}\n"
ENSEMBLE_WITHIN = REFERENCE + "ensemble: true\nserving: {max_flops_per_row: 1.0e+9}\n"


def favouring(arm: str) -> Pretender:
    """A pretender that finds the models of one arm better than all others."""
    made = Pretender()
    model = arm.removeprefix("distilled_")

    def value(job: TrainJob) -> float:
        wanted = job.config.model_name == model and bool(job.teacher) == arm.startswith(
            "distilled_"
        )
        return 0.5 + job.config.train.learning_rate + 0.2 * wanted

    made.value = value
    return made


def refits(pretender: Pretender) -> list[RefitJob]:
    return [job.payload for job in pretender.jobs if isinstance(job.payload, RefitJob)]


def taken(record: StudyRecord) -> str:
    """Return the name of what a study ships."""
    offer = decision(record, verdict(record)).taken
    assert offer is not None
    return offer.name


def files_of(record: StudyRecord, arm: str) -> list[str]:
    """Names of the files that a refit of all seeds of an arm or a student leaves."""
    shipped = next(each for each in (*record.arms, *record.students) if each.name == arm)
    finalist = chosen(shipped)
    assert finalist is not None
    paths = [
        Path(arm) / f"trial-{finalist.trial_number}-seed-{run.seed}.safetensors"
        for run in finalist.runs
    ]
    return sorted(str(file) for path in paths for file in refit_files(path))


@pytest.mark.parametrize("arm", ["mmoe", "shared_bottom"])
def test_every_seed_of_the_arm_that_is_shipped_is_refitted(studio: Studio, arm: str) -> None:
    record, pretender = studio.launch(favouring(arm), REFERENCE, ARMS, REFIT)
    assert taken(record) == arm
    assert record.budget.refit
    assert len(refits(pretender)) == 2
    assert studio.refits() == files_of(record, arm)


def test_a_refit_has_the_configuration_seed_and_best_evaluation_of_the_run(studio: Studio) -> None:
    record, pretender = studio.launch(favouring("mmoe"), REFERENCE, ARMS, REFIT)
    finalist = chosen(record.arms[0])
    assert finalist is not None
    runs = {run.seed: run for run in finalist.runs}
    trained = {
        refit_path(job.payload.weights): job.payload.config
        for job in pretender.jobs
        if isinstance(job.payload, TrainJob) and job.payload.weights
    }
    for job in refits(pretender):
        assert job.training.weights is not None
        assert job.training.config == trained[job.training.weights]
        assert job.best == runs[job.training.seed].evaluations[0]


def test_a_student_that_is_shipped_is_refitted_with_its_teacher(studio: Studio) -> None:
    record, pretender = studio.launch(favouring("distilled_mmoe"), STUDENTS, ARMS, REFIT)
    assert taken(record) == "distilled_mmoe"
    assert studio.refits() == files_of(record, "distilled_mmoe")
    teachers = {job.training.teacher for job in refits(pretender)}
    assert [teacher for teacher in teachers if teacher and teacher.exists()] == [*teachers]


def test_every_member_of_an_ensemble_that_is_shipped_is_refitted(studio: Studio) -> None:
    weak = Pretender(lambda job: 0.1 + job.config.train.learning_rate)
    record, pretender = studio.launch(weak, ENSEMBLE_WITHIN, ARMS, REFIT)
    assert taken(record) == ENSEMBLE
    ensemble = record.ensemble(ENSEMBLE)
    assert ensemble is not None
    members = {(each.run.arm, each.run.trial_number, each.run.seed) for each in ensemble.members}
    numbers = [re.findall(r"(\w+)/trial-(\d+)-seed-(\d+)", name)[0] for name in studio.refits()]
    assert {(arm, int(trial), int(seed)) for arm, trial, seed in numbers} == members
    assert len(refits(pretender)) == len(members) > 2


def test_a_refit_can_be_added_to_a_done_study_and_taken_away(studio: Studio) -> None:
    studio.launch(favouring("mmoe"), REFERENCE, ARMS)
    record, pretender = studio.launch(favouring("mmoe"), REFERENCE, ARMS, REFIT)
    assert [job.payload for job in pretender.jobs] == refits(pretender)
    assert studio.refits() == files_of(record, "mmoe")
    record, _ = studio.launch(favouring("mmoe"), REFERENCE, ARMS)
    assert studio.refits() == []
    assert not record.budget.refit


def test_a_run_that_is_trained_again_is_refitted_again(studio: Studio) -> None:
    record, pretender = studio.launch(favouring("mmoe"), REFERENCE, ARMS, REFIT)
    lost = refits(pretender)[1].training
    assert lost.weights is not None
    lost.weights.with_name(lost.weights.name.replace(".refit", "")).unlink()
    more = REFERENCE + "ensemble: true\n"  # for which the lost run is trained again
    _, again = studio.launch(favouring("mmoe"), more, ARMS, REFIT)
    assert [job.training.seed for job in refits(again)] == [lost.seed]
    assert studio.refits() == files_of(record, "mmoe")


def test_a_refit_that_fails_is_told_and_leaves_the_study_done(studio: Studio) -> None:
    def fails(job: Job) -> str:
        return "no memory" if isinstance(job.payload, RefitJob) else ""

    pretender, listener = favouring("mmoe"), Listener()
    pretender.failing = fails
    record, _ = studio.launch(pretender, REFERENCE, ARMS, REFIT, watcher=listener)
    assert record.state == "done"
    assert studio.refits() == []
    assert len(studio.weights()) == 4, "what was tested is there"
    told = listener.said("failed")
    assert len(told) == 2
    assert all("no memory; the model that was tested is shipped" in text for text in told)


def test_a_refit_that_failed_is_tried_again_by_the_next_launch(studio: Studio) -> None:
    def first_fails(job: Job) -> str:
        return (
            "no memory" if isinstance(job.payload, RefitJob) and len(refits(pretender)) == 1 else ""
        )

    pretender = favouring("mmoe")
    pretender.failing = first_fails
    studio.launch(pretender, REFERENCE, ARMS, REFIT)
    assert len(studio.refits()) == 2
    record, again = studio.launch(favouring("mmoe"), REFERENCE, ARMS, REFIT)
    assert len(refits(again)) == 1
    assert studio.refits() == files_of(record, "mmoe")


def test_a_student_without_a_teacher_in_this_launch_keeps_its_model(studio: Studio) -> None:
    studio.launch(favouring("distilled_mmoe"), STUDENTS, ARMS)
    listener = Listener()
    _, pretender = studio.launch(favouring("mmoe"), REFERENCE, ARMS, REFIT, watcher=listener)
    assert refits(pretender) == []
    told = listener.said("failed")
    assert told
    assert all("this launch does not train it" in text for text in told)


def test_a_study_with_nothing_to_ship_refits_nothing_and_says_so(studio: Studio) -> None:
    listener = Listener()
    more = REFERENCE + "serving: {max_flops_per_row: 1}\n"
    record, pretender = studio.launch(arms=ARMS, more=more, finalists=REFIT, watcher=listener)
    assert record.state == "done"
    assert refits(pretender) == []
    assert any("nothing to ship" in event.text for event in listener.events)
