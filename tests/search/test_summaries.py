"""Once every seed of a chosen finalist is scored on test, one job summarises them; again only if the seeds change."""

from hinet_search.executors import Job
from hinet_search.results.finalist_values import best_on_validation
from hinet_search.results.finalist_values import chosen as chosen_of
from hinet_search.training.jobs.ensemble import SelectJob
from hinet_search.training.jobs.messages import ScoreTestJob, TrainJob
from hinet_search.training.jobs.score import SummaryJob
from tests.search.pretended import FEATURES, Pretender, Studio

ARMS = "{mmoe: {space: rate}, shared_bottom: {space: rate}}"
MORE = "reference: mmoe\n"


def jobs(pretender: Pretender) -> list[SummaryJob]:
    return [job.payload for job in pretender.jobs if isinstance(job.payload, SummaryJob)]


def test_every_arm_is_summed_up_once_over_all_its_seeds_and_the_same_users(studio: Studio) -> None:
    record, pretender = studio.launch(arms=ARMS, more=MORE)
    assert len(pretender.keys(SummaryJob)) == 2
    for arm in record.arms:
        finalist = chosen_of(arm)
        assert finalist is not None
        assert finalist.summary is not None
        assert set(finalist.summary.seeds) == {run.seed for run in finalist.runs}
    assert len({(job.seed, job.seeds, job.headline) for job in jobs(pretender)}) == 1
    for job in jobs(pretender):
        for seed, path in zip(job.seeds, job.scores, strict=True):
            assert f"-seed-{seed}." in path.name


def test_a_further_seed_is_summed_up_with_the_others(studio: Studio) -> None:
    studio.launch(arms=ARMS, more=MORE)
    _, again = studio.launch(arms=ARMS, more=MORE, finalist_seeds=3)
    assert [len(job.seeds) for job in jobs(again)] == [3, 3]


def test_finalists_are_summed_up_beside_the_selection_of_a_teacher(studio: Studio) -> None:
    teaching = "teaching: {students: [mmoe], trials: 1}\n"
    _, pretender = studio.launch(arms=ARMS, more=MORE + teaching)
    kinds = [type(job.payload) for job in pretender.jobs]
    selection = kinds.index(SelectJob)
    assert kinds[selection + 1 : selection + 3] == [SummaryJob, SummaryJob]
    assert len(jobs(pretender)) == 3


def test_a_finalist_with_an_unopened_seed_is_not_summed_up(studio: Studio) -> None:
    def fails(job: Job) -> str:
        return "no memory" if isinstance(job.payload, ScoreTestJob) else ""

    record, pretender = studio.launch(Pretender(failing=fails), arms=ARMS, more=MORE)
    assert jobs(pretender) == []
    assert all(finalist.summary is None for arm in record.arms for finalist in arm.finalists)


def test_the_order_within_groups_is_always_measured_and_their_means_on_test(studio: Studio) -> None:
    _, pretender = studio.launch(features=f"{FEATURES}\n  rank: {{group: user_id}}")
    further = {
        type(job.payload): job.payload.further
        for job in pretender.jobs
        if isinstance(job.payload, TrainJob | ScoreTestJob)
    }
    assert further == {TrainJob: ("rank_auc",), ScoreTestJob: ("rank_auc", "between_auc")}


def test_inputs_are_measured_of_the_arm_that_is_best_on_validation_with_each_seed(
    studio: Studio,
) -> None:
    record, pretender = studio.launch(arms=ARMS, more=MORE)
    best = best_on_validation(record, record.arms)
    assert best is not None
    seeds = {
        job.key: job.payload.seed for job in pretender.jobs if isinstance(job.payload, ScoreTestJob)
    }
    for key, seed in seeds.items():
        assert (seed is not None) == (best.name in key)
    finalist = chosen_of(best)
    assert finalist is not None
    assert {seed for seed in seeds.values() if seed} == {run.seed for run in finalist.runs}
