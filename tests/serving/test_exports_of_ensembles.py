"""Exports of ensembles and students: one folder of networks, trees and students, as in training."""

import weakref
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from safetensors.numpy import load_file, save, save_file
from scipy.special import expit

from hinet_search import api
from hinet_search.common.errors import ConfigurationError, DataError, EnvironmentFault
from hinet_search.data.columns import Columns
from hinet_search.results.ensemble_records import ENSEMBLE, EnsembleRecord, Member, RunKey, Scale
from hinet_search.results.study_record import StudyRecord
from hinet_search.serving.export import TOLERANCE
from hinet_search.serving.model_folder import open_folder
from hinet_search.serving.sealed import seal
from hinet_search.training.jobs.messages import ensemble_scores_path, scores_path, weights_path
from tests.serving.shop import (
    STUDY,
    Shop,
    edited,
    launch_shop,
    other_content,
    rows,
    scores_of,
    test_part,
)

ARMS = """\
  star: {fixed: {features.minimum_frequency: 20, features.groups: none}}
  mmoe:
  trees: {fixed: {features.groups: person, model.objective: rank_xendcg}}"""
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A study with a student and an ensemble, whose arms read different inputs."""
    text = STUDY.format(arms=ARMS) + "teaching: {students: [star], trials: 1}\nensemble: true\n"
    numeric = "    numeric: [price, age]\n"
    groups = "    groups: {looks: [colour], person: [age]}\n"
    text = text.replace(numeric, numeric + groups)
    text = text.replace("  time: minute\n", "  time: minute\n  rank: {group: user}\n")
    return launch_shop(tmp_path_factory.mktemp("together"), rows(), text)


@pytest.fixture(scope="module")
def folder(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported ensemble."""
    return shop.export(ENSEMBLE, tmp_path_factory.mktemp("exported") / ENSEMBLE).folder


def ensemble_of(record: StudyRecord) -> EnsembleRecord:
    ensemble = record.ensemble(ENSEMBLE)
    assert ensemble is not None
    return ensemble


def stored_logits(shop: Shop, run: RunKey) -> np.ndarray:
    """What training left of the test rows, in float64."""
    path = scores_path(weights_of(shop, run))
    return load_file(path)["test_logits"].astype(np.float64)


def weights_of(shop: Shop, run: RunKey) -> Path:
    artifacts = shop.out / "artifacts" / shop.record.name
    return weights_path(artifacts, run.arm, run.trial_number, run.seed)


def average(shop: Shop, ensemble: EnsembleRecord) -> np.ndarray:
    """The weighted mean probabilities, or those of the mean logits, member by member."""
    total = 0.0
    for member in ensemble.members:
        logits_RT = stored_logits(shop, member.run)
        value_RT = logits_RT if ensemble.scale == "logits" else expit(logits_RT)
        total = total + member.weight * value_RT
    return expit(total) if ensemble.scale == "logits" else np.asarray(total)


def scored(folder: Path, at: Path) -> np.ndarray:
    """The scores of the test rows."""
    return scores_of(folder, test_part(rows()).drop("clicked", "bought"), at)


def test_a_student_is_exported_in_the_form_of_its_arm(shop: Shop, tmp_path: Path) -> None:
    written = shop.export("distilled_star", tmp_path / "student")
    assert (written.arm, written.trial) == ("distilled_star", 0)
    assert written.checked_rows == len(test_part(rows()))
    assert written.max_difference <= TOLERANCE
    (model,) = open_folder(written.folder, CPU).file.models
    parent = shop.export("star", tmp_path / "parent").folder
    (of_parent,) = open_folder(parent, CPU).file.models
    assert model.settings["model"] == of_parent.settings["model"]
    assert model.settings["features"] == of_parent.settings["features"]
    card = (written.folder / "card.md").read_text()
    assert card.startswith("# shop / distilled\\_star\n")
    run = RunKey("distilled_star", 0, written.seeds[0])
    assert f"### On test, seed {shop.record.seed_number(run)}" in card


def test_an_ensemble_of_networks_trees_and_students_is_one_folder(shop: Shop, folder: Path) -> None:
    exported = open_folder(folder, CPU)
    assert {model.arm for model in exported.file.models} == {
        "star",
        "mmoe",
        "trees",
        "distilled_star",
    }
    assert exported.file.members == ensemble_of(shop.record).members
    assert len(list(folder.glob("weights-*.safetensors"))) == len(exported.members) == 8
    card = (folder / "card.md").read_text()
    assert "### On test, weighted mean of the probabilities of 8 models" in card


def test_each_member_reads_its_own_inputs_of_those_that_are_encoded_once(folder: Path) -> None:
    exported = open_folder(folder, CPU)
    schemas = {
        model.arm: member.model.schema
        for member, model in zip(exported.members[::2], exported.file.models, strict=True)
    }
    # How networks scale their inputs is theirs, and no matter of encoding.
    assert exported.encoder.schema == replace(schemas["mmoe"], has_unit_scale=False)
    assert schemas["star"].categorical == ("user", "item")
    assert schemas["star"].numeric == ("price",)
    assert schemas["star"].vocabulary_sizes[0] < schemas["mmoe"].vocabulary_sizes[0]
    assert schemas["trees"].categorical == ("user", "item")
    assert schemas["trees"].numeric == ("price", "age", "age_missing")
    assert schemas["distilled_star"] == schemas["star"]


@pytest.mark.parametrize("scale", ["logits", "probabilities"])
def test_weights_and_scale_are_those_of_the_ensemble(
    scale: Scale, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [member.run for member in ensemble_of(shop.record).members]
    members = tuple(map(Member, (runs[0], runs[7], runs[4], runs[1]), (0.1, 0.2, 0.65, 0.05)))
    planted = replace(ensemble_of(shop.record), members=members, scale=scale)
    record = replace(shop.record, ensembles=(planted,))
    expected = average(shop, planted)
    logits = np.log(expected) - np.log1p(-expected)
    path = ensemble_scores_path(shop.out / "artifacts" / "shop")
    monkeypatch.setattr(api, "load", lambda *_, **__: record)
    with other_content(path, save({"test_logits": logits.astype(np.float32)})):
        written = shop.export(ENSEMBLE, tmp_path / "planted")
    assert [member.weight for member in written.members] == [0.1, 0.05, 0.2, 0.65]
    assert_allclose(scored(written.folder, tmp_path), expected, atol=1e-6)


def test_an_ensemble_that_does_not_score_as_in_training_is_refused(
    shop: Shop, tmp_path: Path
) -> None:
    path = ensemble_scores_path(shop.out / "artifacts" / "shop")
    scores = load_file(path)["test_logits"]
    scores[3, 1] += 1e-3
    message = r"shop/ensemble, all members: 194 test rows .* but 1 do not"
    with (
        other_content(path, save({"test_logits": scores})),
        pytest.raises(DataError, match=message),
    ):
        shop.export(ENSEMBLE, tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


def test_lost_weights_of_members_are_named_with_their_members(shop: Shop, tmp_path: Path) -> None:
    members = ensemble_of(shop.record).members
    lost = [members[1].run, members[7].run]
    paths = [weights_of(shop, run) for run in lost]
    with (
        other_content(paths[0], None),
        other_content(paths[1], None),
        pytest.raises(EnvironmentFault) as caught,
    ):
        shop.export(ENSEMBLE, tmp_path / "folder")
    assert caught.value.problems == tuple(
        f"{path}: the weights of arm '{run.arm}', trial {run.trial_number}, seed {run.seed} must "
        "be there from the study's launch, but are not"
        for path, run in zip(paths, lost, strict=True)
    )
    assert "name the folder of the launch with --output" in caught.value.remedy


def test_a_member_without_a_finite_score_makes_the_rows_refused(shop: Shop, tmp_path: Path) -> None:
    other = shop.export(ENSEMBLE, tmp_path / "other").folder
    path = other / "weights-0.safetensors"
    tensors = load_file(path)
    huge = {
        name: weight * np.float32(1e30) if weight.dtype == np.float32 else weight
        for name, weight in tensors.items()
    }
    save_file(huge, path)
    seal(other)
    with pytest.raises(DataError, match="every row must get a finite score"):
        scored(other, tmp_path)


def test_a_member_that_is_left_without_inputs_is_refused(shop: Shop, tmp_path: Path) -> None:
    other = shop.export(ENSEMBLE, tmp_path / "other").folder
    names = "".join(f"\n    - {name}" for name in ("user", "item", "price"))
    edited(other, {"    looks:\n    - colour": f"    looks:\n    - colour{names}"})
    with pytest.raises(DataError, match=r"config\.yaml: must leave inputs to every model"):
        open_folder(other, CPU)


def test_weights_that_do_not_sum_to_one_are_refused(shop: Shop, tmp_path: Path) -> None:
    other = shop.export(ENSEMBLE, tmp_path / "other").folder
    config = other / "config.yaml"
    config.write_text(config.read_text().replace("weight: 0.125", "weight: 0.5", 1))
    seal(other)
    with pytest.raises(ConfigurationError, match=r"weights of all seeds must sum to 1, got 1\.375"):
        open_folder(other, CPU)


@dataclass(frozen=True)
class WatchedModel:
    """A model that notes how many arrays of earlier scores still exist when it scores."""

    arrays: list[weakref.ref[np.ndarray]]
    alive: list[int]

    def scores(self, columns: Columns) -> np.ndarray:
        self.alive.append(sum(array() is not None for array in self.arrays))
        logits_RT = np.zeros((columns.num_rows, 2), dtype=np.float32)
        self.arrays.append(weakref.ref(logits_RT))
        return logits_RT


def test_the_scores_of_one_member_are_held_at_a_time(folder: Path) -> None:
    exported = open_folder(folder, CPU)
    frame = test_part(rows()).select(exported.file.inputs.columns)
    columns = exported.encode(frame)
    watched = WatchedModel([], [])
    members = [replace(member, model=watched) for member in exported.members]
    exported.logits(columns, members)
    assert watched.alive == [0] * len(members)
