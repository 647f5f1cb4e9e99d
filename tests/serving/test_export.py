"""Export: every model is exported as a folder that scores as in training, atomically."""

import json
from pathlib import Path

import polars as pl
import pytest
from safetensors.numpy import load_file, save

import hinet_search as hs
from hinet_search.common.errors import (
    ConfigurationError,
    DataError,
    EnvironmentFault,
    StudyConflict,
)
from hinet_search.results.ensemble_records import RunKey
from hinet_search.search.artifacts import MARK
from hinet_search.serving.choice import choose
from hinet_search.serving.export import TOLERANCE
from hinet_search.training.jobs.messages import scores_path
from tests.serving.shop import ARMS, Shop, other_content


@pytest.mark.parametrize("arm", ARMS)
def test_every_model_scores_its_test_rows_from_the_folder_as_in_training(
    arm: str, shop: Shop, tmp_path: Path
) -> None:
    written = shop.export(arm, tmp_path / "folder")
    assert written.arm == arm
    assert written.checked_rows == len(shop.test_logits(arm, written.seeds[0]))
    assert written.max_difference <= TOLERANCE


def test_the_seed_that_is_best_on_validation_is_exported(shop: Shop) -> None:
    for arm in shop.record.arms:
        (finalist,) = arm.finalists
        best = max(finalist.runs, key=lambda run: run.valid_objective)
        assert choose(shop.record, arm.name, "best").seeds == (best.seed,)


def test_all_seeds_leave_a_file_each(shop: Shop, tmp_path: Path) -> None:
    written = shop.export("hinet", tmp_path / "folder", seeds="all")
    assert len(written.seeds) == 2
    assert {"weights-0.safetensors", "weights-1.safetensors"} <= set(written.files)


def test_a_folder_holds_no_file_that_could_run_anything(shop: Shop, tmp_path: Path) -> None:
    shop.export("hinet", tmp_path / "folder")
    suffixes = {path.suffix for path in (tmp_path / "folder").rglob("*") if path.is_file()}
    assert suffixes == {".safetensors", ".yaml", ".parquet", ".json", ".md"}


def test_two_exports_are_equal_to_the_byte(shop: Shop, tmp_path: Path) -> None:
    first, second = (shop.export("ple", tmp_path / name).folder for name in ("one", "other"))
    assert (first / "manifest.json").read_bytes() == (second / "manifest.json").read_bytes()
    assert (first / "card.md").read_bytes() == (second / "card.md").read_bytes()


def test_without_an_arm_the_verdicts_choice_is_exported_and_the_reason_is_shown(
    shop: Shop, tmp_path: Path
) -> None:
    messages: list[str] = []
    written = hs.export(str(shop.study), tmp_path / "folder", output=shop.out, say=messages.append)
    assert written.why.startswith("the best on validation")  # which arm is ahead on test may follow
    assert f"exporting shop/{written.arm}, trial 0, {written.why}" in messages


def test_a_folder_with_something_in_it_is_refused(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(
        ConfigurationError, match="must be a new or an empty folder, but something is there"
    ):
        shop.export("ple", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_what_a_killed_export_left_is_removed_by_the_next(shop: Shop, tmp_path: Path) -> None:
    left = tmp_path / ".folder.0badcafe.part" / "folder"
    left.mkdir(parents=True)
    (left / "weights.safetensors").touch()
    shop.export("ple", tmp_path / "folder")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_scores_that_are_not_those_of_training_are_refused_and_nothing_is_left(
    shop: Shop, tmp_path: Path
) -> None:
    (seed,) = shop.export("star", tmp_path / "good").seeds
    path = scores_path(shop.weights("star", seed))
    scores = load_file(path)
    scores["test_logits"][3, 1] += 1e-3
    with (
        other_content(path, save(scores)),
        pytest.raises(
            DataError, match=r"test rows must score as in training, but 1 do not: .* up to 0\.001"
        ),
    ):
        shop.export("star", tmp_path / "folder")
    assert [entry.name for entry in tmp_path.iterdir()] == ["good"]


@pytest.mark.parametrize("of", [lambda weights: weights, scores_path], ids=["weights", "scores"])
def test_files_of_the_launch_that_are_gone_are_named(of, shop: Shop, tmp_path: Path) -> None:
    (seed,) = shop.export("star", tmp_path / "good").seeds
    path = of(shop.weights("star", seed))
    with other_content(path, None), pytest.raises(EnvironmentFault) as caught:
        shop.export("star", tmp_path / "folder")
    (problem,) = caught.value.problems
    assert problem.startswith(f"{path}: the ")
    assert problem.endswith(
        f" of arm 'star', trial 0, seed {seed} must be there from the study's launch, but are not"
    )
    assert "--output" in caught.value.remedy


def test_rows_that_have_changed_since_the_launch_are_refused(shop: Shop, tmp_path: Path) -> None:
    table = shop.study.parent / "shop.parquet"
    changed = tmp_path / "changed.parquet"
    pl.read_parquet(table).with_columns(pl.col("price") + 1).write_parquet(changed)
    with (
        other_content(table, changed.read_bytes()),
        pytest.raises(StudyConflict, match=r"was launched on data .*, its file now says"),
    ):
        shop.export("star", tmp_path / "folder")


def test_weights_of_another_study_of_the_name_are_refused(shop: Shop, tmp_path: Path) -> None:
    mark = shop.out / "artifacts" / "shop" / MARK
    message = "must hold the files of one study, but is that of another"
    with (
        other_content(mark, b"another\n'shop' of elsewhere\n"),
        pytest.raises(StudyConflict, match=message),
    ):
        shop.export("star", tmp_path / "folder")


def test_a_space_that_has_changed_since_the_launch_is_refused(shop: Shop, tmp_path: Path) -> None:
    text = shop.study.read_bytes().replace(b"  star: \n", b"  star: {model: ple}\n")
    message = "arm 'star' must be as it was launched, but has changed since"
    with other_content(shop.study, text), pytest.raises(StudyConflict, match=message):
        shop.export("star", tmp_path / "folder")


def test_encoded_data_that_were_removed_are_encoded_again(
    shop: Shop, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("HINET_SEARCH_CACHE", str(tmp_path / "cache"))
    assert shop.export("mmoe", tmp_path / "folder").checked_rows > 0


def test_ids_without_an_embedding_have_no_place_in_the_vocabulary(
    shop: Shop, tmp_path: Path
) -> None:
    folder = shop.export("seldom", tmp_path / "folder").folder
    assert pl.read_parquet(folder / "encoding" / "vocabulary.0.parquet")["count"].min() >= 9


def test_the_manifest_knows_every_file_but_the_card(shop: Shop, tmp_path: Path) -> None:
    written = shop.export("mmoe", tmp_path / "folder")
    known = json.loads((written.folder / "manifest.json").read_text())
    assert set(written.files) == {*known, "manifest.json", "card.md"}


def test_the_card_has_the_metrics_of_the_exported_seed(shop: Shop, tmp_path: Path) -> None:
    written = shop.export("mmoe", tmp_path / "folder")
    card = (written.folder / "card.md").read_text()
    run = RunKey("mmoe", written.trial, written.seeds[0])
    assert f"### On test, seed {shop.record.seed_number(run)}" in card
    assert f"Checked at export: {written.checked_rows} test rows" in card
    assert shop.record.data.fingerprint in card
    assert str(shop.study.parent) not in card


def test_a_size_matched_arm_is_built_in_the_size_that_it_was_given(tmp_path: Path) -> None:
    from tests.small import STUDY, write_study

    text = STUDY.replace(
        "{shared_bottom: , mmoe: }",
        "{shared_bottom: , wide: {model: flat_moe, size_of: shared_bottom}}",
    )
    path = write_study(tmp_path, text)
    hs.launch(str(path), output=tmp_path / "out", trials=1, finalist_seeds=1)
    written = hs.export(str(path), tmp_path / "folder", arm="wide", output=tmp_path / "out")
    assert written.checked_rows > 0
