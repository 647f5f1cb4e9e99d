"""If a study shares batches, the seeds of a finalist are one job on one order of rows."""

import pytest

from hinet_search.common.errors import StudyConflict
from hinet_search.executors import Job
from hinet_search.training.jobs.messages import TrainingsJob
from tests.search.pretended import Pretender, Studio, chosen

SHARED = "{top: 1, seeds: 3, shared_batches: true}"


def seeds_jobs(pretender: Pretender) -> list[TrainingsJob]:
    return [job.payload for job in pretender.jobs if isinstance(job.payload, TrainingsJob)]


def test_every_finalist_is_one_job_with_all_seeds(studio: Studio) -> None:
    record, pretender = studio.launch(finalists=SHARED)
    jobs = seeds_jobs(pretender)
    assert pretender.finalists == []
    assert len(jobs) == len(record.arms[0].finalists)
    seeds = [run.seed for run in record.arms[0].finalists[0].runs]
    assert len(seeds) == 3
    for job in jobs:
        assert sorted(seed_job.seed for seed_job in job.jobs) == sorted(seeds)
        assert job.order_seed == jobs[0].jobs[0].seed
    assert pretender.tested == [str(chosen(record)["mmoe"])] * 3


def test_a_seed_added_later_trains_alone_on_the_order_of_the_first(studio: Studio) -> None:
    _, before = studio.launch(finalists=SHARED)
    record, after = studio.launch(finalists=SHARED, finalist_seeds=4)
    assert [len(job.jobs) for job in seeds_jobs(after)] == [1] * len(record.arms[0].finalists)
    assert {job.order_seed for job in seeds_jobs(before) + seeds_jobs(after)} == {
        seeds_jobs(before)[0].order_seed
    }


def test_the_record_knows_that_seeds_share_their_batches(studio: Studio) -> None:
    assert studio.launch(finalists=SHARED)[0].shared_batches


def test_the_record_knows_that_seeds_do_not_share_them(studio: Studio) -> None:
    assert not studio.launch()[0].shared_batches


def test_a_job_that_fails_leaves_no_run(studio: Studio) -> None:
    def first_seeds_fail(job: Job) -> str:
        return (
            "OSError: no"
            if isinstance(job.payload, TrainingsJob) and len(seeds_jobs(pretender)) == 1
            else ""
        )

    pretender = Pretender(failing=first_seeds_fail)
    record, _ = studio.launch(pretender, finalists=SHARED)
    again, after = studio.launch(finalists=SHARED)
    assert len(again.arms[0].finalists) == len(record.arms[0].finalists) + 1
    assert len(seeds_jobs(after)) == 1


def test_a_study_does_not_change_between_shared_batches_and_own_ones(studio: Studio) -> None:
    studio.launch()
    with pytest.raises(StudyConflict, match="shared_batches: stored nothing, now true"):
        studio.launch(finalists=SHARED)
