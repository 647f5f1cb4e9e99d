"""What a study chose is trained on all rows or on newer ones, as a study of its own, and exported."""

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

import hinet_search as hs
from hinet_search.api import TrainedChoice
from hinet_search.cli import cli
from hinet_search.common.errors import ConfigurationError
from hinet_search.report.commands import export_command
from hinet_search.results.records import ArmRecord
from hinet_search.search.phases.trials import DECIDED
from hinet_search.search.plan.check_study import try_study
from hinet_search.serving.choice import choose
from hinet_search.serving.export import TOLERANCE
from hinet_search.serving.whole import whole_study
from hinet_search.study.launch_options import LaunchOptions
from tests.serving.shop import STUDY, Shop, launch_shop, predicted, rows

RATE = "train.learning_rate"
PENALTY = "train.embedding_l2"
ARMS = "  mmoe:\n  shared_bottom:\n  trees:"
SAMPLED = """\
sample: 50%
teaching: {students: [shared_bottom], trials: 2}
ensemble: true
"""


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A study of half of the users with a student and an ensemble."""
    text = STUDY.format(arms=ARMS).replace("trials: 1", "trials: 2", 1) + SAMPLED
    text = text.replace("{train.batch_size: 128}", f"{{train.batch_size: 128, {PENALTY}: 0.004}}")
    return launch_shop(tmp_path_factory.mktemp("whole"), rows(4200), text)


def trained(shop: Shop, name: str, to: Path, **options: object) -> TrainedChoice:
    return hs.train(str(shop.study), to, arm=name, output=shop.out, **options)


def arm_of(record: hs.StudyRecord, name: str) -> ArmRecord:
    return next(arm for arm in record.arms_and_students if arm.name == name)


def settings_of(folder: Path) -> dict:
    """The settings of the only model of an export."""
    (model,) = YAML(typ="safe").load(folder / "config.yaml")["models"]
    return model["settings"]


@pytest.fixture(scope="module")
def mmoe(sampled: Shop, tmp_path_factory: pytest.TempPathFactory) -> TrainedChoice:
    return trained(sampled, "mmoe", tmp_path_factory.mktemp("mmoe") / "model")


def test_all_rows_are_trained_on_with_the_settings_that_the_sample_chose(
    sampled: Shop, mmoe: TrainedChoice
) -> None:
    assert sum(mmoe.trained.data.rows) > 1.5 * sum(sampled.record.data.rows)
    assert mmoe.trained.data.sample is None
    finalist = next(each for each in arm_of(sampled.record, "mmoe").finalists if each.chosen)
    settings = settings_of(mmoe.export.folder)
    assert settings["train"]["learning_rate"] == finalist.parameters[RATE]
    assert settings["train"]["batch_size"] == 128


def test_the_penalty_of_embeddings_is_said_for_all_rows(mmoe: TrainedChoice) -> None:
    assert settings_of(mmoe.export.folder)["train"]["embedding_l2"] == 0.004


def test_nothing_is_searched_again(mmoe: TrainedChoice) -> None:
    (arm,) = mmoe.trained.arms
    (trial,) = arm.trials
    assert (trial.state, trial.cause, trial.cost) == ("pruned", DECIDED, None)
    (finalist,) = arm.finalists
    assert len(finalist.runs) == 1


def test_the_export_scores_rows_as_in_training(mmoe: TrainedChoice, tmp_path: Path) -> None:
    assert mmoe.export.checked_rows == min(1000, mmoe.trained.data.rows[2])
    assert mmoe.export.max_difference <= TOLERANCE
    table = rows(50, seed=1).filter(pl.col("place") != 4)
    assert predicted(mmoe.export.folder, table, tmp_path).height == table.height


def test_the_same_call_finds_what_is_trained(
    sampled: Shop, mmoe: TrainedChoice, tmp_path: Path
) -> None:
    again = trained(sampled, "mmoe", tmp_path / "again")
    assert again.trained.arms == mmoe.trained.arms
    weights = next(iter(again.export.weight_files))
    both = [(each / weights).read_bytes() for each in (tmp_path / "again", mmoe.export.folder)]
    assert both[0] == both[1]


def test_more_seeds_are_trained_if_they_are_asked_for(sampled: Shop, tmp_path: Path) -> None:
    three = trained(sampled, "trees", tmp_path / "trees", finalist_seeds=3)
    (arm,) = three.trained.arms
    assert len(arm.finalists[0].runs) == 3
    best = max(arm.finalists[0].runs, key=lambda run: run.valid_objective)
    assert three.export.seeds == (best.seed,)


def test_a_student_is_trained_on_all_rows_as_it_was_on_the_sample(
    sampled: Shop, tmp_path: Path
) -> None:
    name = "distilled_shared_bottom"
    distilled = trained(sampled, name, tmp_path / "student")
    before = next(each for each in arm_of(sampled.record, name).finalists if each.chosen)
    settings = settings_of(tmp_path / "student")["train"]
    assert settings["teacher_weight"] == before.parameters["train.teacher_weight"]
    assert settings["teacher_temperature"] == before.parameters["train.teacher_temperature"]
    (student,) = distilled.trained.students
    assert student.trials[0].cause == DECIDED
    teacher = sampled.record.ensemble("teacher")
    assert teacher is not None
    teachers = {(member.run.arm, member.run.trial_number) for member in teacher.members}
    learned_as = arm_of(sampled.record, name).student_of.split("/")
    assert len(distilled.trained.arms) == len(teachers | {(learned_as[0], int(learned_as[1]))})


def test_a_student_keeps_weight_and_temperature_that_are_no_defaults(sampled: Shop) -> None:
    found = {"train.teacher_weight": 0.37, "train.teacher_temperature": 2.5}
    (student,) = sampled.record.students
    finalists = tuple(replace(each, parameters=found) for each in student.finalists)
    record = replace(sampled.record, students=(replace(student, finalists=finalists),))
    what = choose(record, student.name, "best")
    study = try_study(LaunchOptions().load(str(sampled.study)))
    arms = {arm.name: arm for arm in whole_study(study, record, what, 1).arms}
    fixed = arms["shared_bottom"].space.fixed
    assert {name: fixed[name] for name in found} == found
    assert not arms["shared_bottom"].space.parameters


def test_the_ensemble_is_selected_anew_of_its_members(sampled: Shop, tmp_path: Path) -> None:
    whole = trained(sampled, "ensemble", tmp_path / "ensemble")
    assert whole.export.arm == "ensemble"
    assert whole.trained.ensemble("ensemble") is not None
    assert whole.trained.data.sample is None
    names = [arm.name for arm in whole.trained.arms]
    assert len(names) == len(set(names)), "two configurations of an arm are two arms"
    assert {name.partition("-")[0] for name in names} <= {"mmoe", "shared_bottom", "trees"}


def test_the_report_of_all_rows_says_where_the_choice_was_made(
    sampled: Shop, mmoe: TrainedChoice
) -> None:
    page = (sampled.out / "reports" / f"{mmoe.trained.name}.html").read_text()
    assert (
        f"MMoE as shop chose it on {sampled.record.data.searched_on}; trained on all rows" in page
    )
    assert "the report of the study that chose it compares it" in page
    assert "Add an arm to the study" not in page


def test_a_study_of_all_rows_has_nothing_to_train(tmp_path: Path) -> None:
    text = STUDY.format(arms="  trees:").replace("seeds: 2", "seeds: 1") + "reference: trees\n"
    done = launch_shop(tmp_path, rows(), text)
    with pytest.raises(ConfigurationError, match="must have searched on a sample") as caught:
        trained(done, "trees", tmp_path / "model")
    assert "hinet-search export shop" in str(caught.value)
    assert not (tmp_path / "model").exists()


@pytest.fixture(scope="module")
def on_all_rows(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A study of all rows with one arm."""
    text = STUDY.format(arms="  mmoe:").replace("seeds: 2", "seeds: 1") + "reference: mmoe\n"
    return launch_shop(tmp_path_factory.mktemp("newer"), rows(), text)


def test_any_study_trains_what_it_chose_on_newer_rows(on_all_rows: Shop, tmp_path: Path) -> None:
    newer = tmp_path / "june 2026.parquet"
    rows(3000, seed=7).write_parquet(newer)
    done = trained(on_all_rows, "mmoe", tmp_path / "model", rows=newer)
    assert done.trained.name == "shop-mmoe-on-june-2026"
    assert sum(done.trained.data.rows) == rows(3000, seed=7).filter(pl.col("place") != 4).height
    assert done.trained.data.fingerprint != on_all_rows.record.data.fingerprint
    finalist = next(each for each in arm_of(on_all_rows.record, "mmoe").finalists if each.chosen)
    settings = settings_of(tmp_path / "model")
    assert settings["train"]["learning_rate"] == finalist.parameters[RATE]
    assert done.export.checked_rows == min(1000, done.trained.data.rows[2])
    assert "trained on the rows of june 2026.parquet" in done.trained.description


def test_the_command_names_the_table_and_compares_no_values_of_different_rows(
    on_all_rows: Shop, tmp_path: Path
) -> None:
    rows(3000, seed=9).write_parquet(tmp_path / "may.parquet")
    words = ["train", str(on_all_rows.study), "--output", str(on_all_rows.out)]
    words += ["--rows", str(tmp_path / "may.parquet"), "-o", str(tmp_path / "model")]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    assert "trained by the study" in done.stdout
    assert "trained on may.parquet" in done.stdout
    assert "their values do not compare" in done.stderr


def test_a_table_that_lacks_a_column_is_refused_before_anything_is_trained(
    on_all_rows: Shop, tmp_path: Path
) -> None:
    rows(300).drop("price").write_parquet(tmp_path / "newer.parquet")
    with pytest.raises(hs.HinetSearchError, match="price"):
        trained(on_all_rows, "mmoe", tmp_path / "model", rows=tmp_path / "newer.parquet")
    assert not (tmp_path / "model").exists()


def test_a_folder_with_files_is_refused_before_anything_is_trained(
    sampled: Shop, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="must be a new or an empty folder"):
        trained(sampled, "shared_bottom", tmp_path)
    with pytest.raises(hs.HinetSearchError):
        hs.load("shop-shared_bottom-whole", output=sampled.out)


def test_the_command_says_what_the_sample_gave_and_what_all_rows_give(
    sampled: Shop, tmp_path: Path
) -> None:
    words = ["train", f"{sampled.study}/mmoe", "--output", str(sampled.out)]
    done = CliRunner().invoke(cli, [*words, "-o", str(tmp_path / "text")])
    assert done.exit_code == 0, done.output
    assert "trained on the sample" in done.stdout
    assert "trained on all rows" in done.stdout
    assert "shop-mmoe-whole/mmoe" in done.stdout
    done = CliRunner().invoke(cli, [*words, "--json", "-o", str(tmp_path / "json")])
    last = json.loads(done.stdout.splitlines()[-1])
    assert (last["event"], last["study"]) == ("trained", "shop-mmoe-whole")
    assert last["searched"]["rows"] == sum(sampled.record.data.rows)
    assert (
        last["trained"]["rows"]
        == pl.scan_parquet(sampled.study.parent / "shop.parquet")
        .filter(pl.col("place") != 4)
        .select(pl.len())
        .collect()
        .item()
    )


def test_a_study_on_a_sample_advises_to_train_on_all_rows(
    sampled: Shop, mmoe: TrainedChoice
) -> None:
    assert export_command(sampled.record, "mmoe").startswith("hinet-search train ")
    assert export_command(mmoe.trained, "mmoe") == mmoe.trained.command
