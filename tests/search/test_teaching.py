"""A study that teaches makes a teacher of its finalists, trains students with it, and keeps both through relaunches."""

import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import text

from hinet_search.common.errors import ConfigurationError
from hinet_search.executors import Job
from hinet_search.results.ensemble_records import ENSEMBLE, TEACHER
from hinet_search.results.finalist_values import chosen
from hinet_search.storage.engine import connect
from hinet_search.training.jobs.ensemble import (
    ScoreEnsembleJob,
    ScoreMemberJob,
    SelectJob,
    TeachJob,
)
from hinet_search.training.jobs.messages import ScoreTestJob, TrainJob
from tests.search.pretended import RATE, Pretender, Studio

ARMS = "{mmoe: {space: rate}, shared_bottom: {space: rate}}"
TEACHING = "reference: mmoe\nteaching: {students: [mmoe], trials: 3}\n"
BOTH = TEACHING + "ensemble: true\n"


def trainings(pretender: Pretender, arm: str) -> list[TrainJob]:
    """Jobs that train models of that arm."""
    return [
        job.payload
        for job in pretender.jobs
        if isinstance(job.payload, TrainJob) and job.key.split("/")[0] == arm
    ]


def of_kind(pretender: Pretender, kind: type) -> list:
    return [job.payload for job in pretender.jobs if isinstance(job.payload, kind)]


def test_a_student_is_its_finalist_searched_over_weight_and_temperature_of_its_teacher(
    studio: Studio,
) -> None:
    record, pretender = studio.launch(arms=ARMS, more=TEACHING)
    finalist = chosen(record.arms[0])
    assert finalist is not None
    (student,) = record.students
    assert (student.name, student.student_of) == ("distilled_mmoe", f"mmoe/{finalist.trial_number}")
    rates = {job.config.train.learning_rate for job in trainings(pretender, "distilled_mmoe")}
    assert rates == {finalist.parameters[RATE]}
    assert student.trials[0].parameters["train.teacher_weight"] == 0.9
    drawn = {(*trial.parameters.values(),) for trial in student.trials}
    assert len(drawn) == len(student.trials) == record.budget_of(student) == 3


def test_a_student_alone_reads_the_teachers_scores_and_is_opened_once_beside_the_arms(
    studio: Studio,
) -> None:
    record, pretender = studio.launch(arms=ARMS, more=TEACHING)
    (teaching,) = of_kind(pretender, TeachJob)
    assert {job.teacher for job in trainings(pretender, "distilled_mmoe")} == {teaching.path}
    assert {job.teacher for job in trainings(pretender, "mmoe")} == {None}
    assert [arm.name for arm in record.arms] == ["mmoe", "shared_bottom"]
    assert "Distilled" not in record.verdict
    assert record.test_accesses == 3
    tested = [key for key in pretender.keys(ScoreTestJob) if key.startswith("distilled_mmoe")]
    assert len(tested) == 2
    finalist = chosen(record.students[0])
    assert finalist is not None
    assert finalist.summary is not None


def test_the_teacher_is_chosen_from_every_finalist_run_of_every_arm(studio: Studio) -> None:
    record, _ = studio.launch(arms=ARMS, more=TEACHING)
    teacher = record.ensemble(TEACHER)
    assert teacher is not None
    runs = {
        (arm.name, finalist.trial_number, run.seed)
        for arm in record.arms
        for finalist in arm.finalists
        for run in finalist.runs
    }
    assert {(run.arm, run.trial_number, run.seed) for run in teacher.pool} == runs


def test_the_ensemble_counts_as_one_access_to_test(studio: Studio) -> None:
    record, pretender = studio.launch(arms=ARMS, more=BOTH)
    assert record.test_accesses == 4
    ensemble = record.ensemble(ENSEMBLE)
    assert ensemble is not None
    assert ensemble.test_cells is not None
    assert len(of_kind(pretender, ScoreEnsembleJob)) == 1


def test_members_are_scored_one_by_one_and_their_scores_go_once_they_are_averaged(
    studio: Studio,
) -> None:
    record, pretender = studio.launch(arms=ARMS, more=TEACHING)
    teacher = record.ensemble(TEACHER)
    assert teacher is not None
    jobs = of_kind(pretender, ScoreMemberJob)
    for split in ("train", "valid"):
        scored = [job.weights for job in jobs if job.split == split]
        assert len(scored) == len(set(scored)) == len(teacher.members)
    left = [path for job in jobs for path in job.weights.parent.glob("*.train.safetensors")]
    assert left == []


def test_the_dearest_members_are_scored_first(studio: Studio) -> None:
    cost = {"mmoe": 2.0, "shared_bottom": 7.0}
    pretender = Pretender(milliseconds=lambda job: cost[job.config.model_name])
    studio.launch(pretender, arms=ARMS, more=TEACHING)
    scored = [job.config.model_name for job in of_kind(pretender, ScoreMemberJob)]
    assert scored == sorted(scored, key=lambda name: -cost[name])
    assert set(scored) == set(cost)


def test_scores_that_a_run_left_are_not_made_again(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "hinet_search.search.ensembles.has_tensor", lambda path, _name: ".scores." in path.name
    )
    _, pretender = studio.launch(arms=ARMS, more=BOTH)
    assert of_kind(pretender, ScoreMemberJob) == []


def test_without_the_scores_of_its_members_a_teacher_teaches_no_student(studio: Studio) -> None:
    pretender = Pretender(
        failing=lambda job: "no memory" if isinstance(job.payload, ScoreMemberJob) else ""
    )
    record, _ = studio.launch(pretender, arms=ARMS, more=TEACHING)
    assert of_kind(pretender, TeachJob) == []
    assert trainings(pretender, "distilled_mmoe") == []
    assert record.ensemble(TEACHER) is not None


def test_students_can_be_members_of_the_ensemble_but_not_of_the_teacher(studio: Studio) -> None:
    record, _ = studio.launch(arms=ARMS, more=BOTH)
    pools = {each.name: {run.arm for run in each.pool} for each in record.ensembles}
    assert pools == {
        TEACHER: {"mmoe", "shared_bottom"},
        ENSEMBLE: {"mmoe", "shared_bottom", "distilled_mmoe"},
    }


def test_a_relaunch_of_a_done_study_trains_and_scores_nothing(studio: Studio) -> None:
    before, _ = studio.launch(arms=ARMS, more=BOTH)
    after, pretender = studio.launch(arms=ARMS, more=BOTH)
    assert pretender.jobs == []
    assert after.students == before.students
    assert after.ensembles == before.ensembles


def test_other_finalists_make_another_teacher_and_other_students(studio: Studio) -> None:
    before, _ = studio.launch(arms=ARMS, more=BOTH)
    after, pretender = studio.launch(arms=ARMS, more=BOTH, finalist_seeds=3)
    assert len(of_kind(pretender, TeachJob)) == 1
    assert len(trainings(pretender, "distilled_mmoe")) == 3 + 3
    assert before.ensemble(TEACHER) != after.ensemble(TEACHER)
    assert after.test_accesses == before.test_accesses + 2 + 2, (
        "a further seed of both arms, and the student and the ensemble, which are others now"
    )


def test_other_serving_limits_make_another_ensemble_and_the_same_teacher(studio: Studio) -> None:
    studio.launch(arms=ARMS, more=BOTH)
    limits = "serving: {max_flops_per_row: 1000}\n"
    record, pretender = studio.launch(arms=ARMS, more=BOTH + limits)
    (job,) = of_kind(pretender, SelectJob)
    assert job.shares == (0.02,) * len(job.scores)
    assert trainings(pretender, "distilled_mmoe") == []
    assert of_kind(studio.launch(arms=ARMS, more=BOTH + limits)[1], SelectJob) == []
    ensemble = record.ensemble(ENSEMBLE)
    assert ensemble is not None
    assert ensemble.test_cells is not None


def test_a_student_of_another_finalist_is_trained_anew(studio: Studio) -> None:
    before, _ = studio.launch(arms=ARMS, more=TEACHING)
    database = connect(str(studio.folder / "out" / "studies.sqlite3"), create=True)
    with database.writing() as connection:
        connection.execute(text("UPDATE hs_arm SET student_of = 'mmoe/9' WHERE student_of != ''"))
    database.close()
    after, pretender = studio.launch(arms=ARMS, more=TEACHING)
    assert len(trainings(pretender, "distilled_mmoe")) == 3 + 2
    assert after.students[0].student_of == before.students[0].student_of
    assert after.test_accesses == before.test_accesses + 1, "it is another model"


def test_a_student_of_before_1_0_gives_way_to_one_of_the_new_name(studio: Studio) -> None:
    studio.launch(arms=ARMS, more=TEACHING)
    with closing(sqlite3.connect(studio.folder / "out" / "studies.sqlite3")) as connection:
        for table in ("hs_arm", "hs_trial", "hs_evaluation", "hs_finalist"):
            old = f"UPDATE {table} SET arm = 'taught_mmoe' WHERE arm = 'distilled_mmoe'"
            connection.execute(old)
        connection.commit()
    record, _ = studio.launch(arms=ARMS, more=TEACHING)
    assert [student.name for student in record.students] == ["distilled_mmoe"]


def test_a_study_goes_on_without_students_where_no_teacher_can_be_made(studio: Studio) -> None:
    def fails(job: Job) -> str:
        return "no memory" if isinstance(job.payload, SelectJob) else ""

    record, _ = studio.launch(Pretender(failing=fails), arms=ARMS, more=BOTH)
    assert record.state == "done"
    assert record.students == ()
    assert record.ensembles == ()


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (
            "teaching: {students: [mmo]}",
            "students must be arms of the study, got 'mmo'; did you mean 'mmoe'",
        ),
        ("teaching: {students: []}", "students"),
        ("fixed: {train.teacher_weight: 0.5}", "only students have a teacher"),
    ],
)
def test_teaching_that_cannot_be_is_refused_at_the_door(
    studio: Studio, more: str, problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        studio.launch(arms=ARMS, more=f"reference: mmoe\n{more}\n")


def test_an_arm_cannot_have_the_name_of_a_student(studio: Studio) -> None:
    arms = "{mmoe: {space: rate}, distilled_mmoe: {model: mmoe, space: rate}}"
    with pytest.raises(ConfigurationError, match="must not begin with distilled_"):
        studio.launch(arms=arms, more=TEACHING)
