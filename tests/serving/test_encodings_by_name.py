"""Exports of models whose numbers have an encoding each: the same in every form that scores rows."""

from pathlib import Path

import pytest
import torch
from numpy.testing import assert_allclose

import hinet_search as hs
from hinet_search.data.schema import Schema
from hinet_search.results.ensemble_records import ENSEMBLE
from hinet_search.serving.export import TOLERANCE
from hinet_search.serving.model_folder import open_folder
from tests.serving.graph_shop import graph_scores
from tests.serving.shop import (
    STUDY,
    Shop,
    edited,
    launch_shop,
    rows,
    scores_of,
    test_part,
)

NAMED = "features.number_encodings"
ARMS = f"""\
  own:
    model: mmoe
    fixed: {{features.groups: person+looks, {NAMED}.price: bins, {NAMED}.age: piecewise}}
  counted:
    model: shared_bottom
    fixed: {{features.groups: statistics, {NAMED}.statistics: piecewise, {NAMED}.person: bins}}
  alike: {{model: shared_bottom, fixed: {{features.number_encoding: bins}}}}"""
NUMERIC = "    numeric: [price, age]\n"
DERIVED = """\
    statistics: {by: [user, item], clock: minute, day_length: 100}
    groups: {person: [age], looks: [colour]}
"""
CPU = torch.device("cpu")
OF_OWN = {"price": "bins", "age": "piecewise", "age_missing": "piecewise"}
OF_COUNTED = dict.fromkeys(["user rows", "user click rate", "user buy rate"], "piecewise")
OF_COUNTED |= dict.fromkeys(["item rows", "item click rate", "item buy rate"], "piecewise")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    text = (
        STUDY.format(arms=ARMS).replace(NUMERIC, NUMERIC + DERIVED).replace("seeds: 2", "seeds: 1")
    )
    return launch_shop(tmp_path_factory.mktemp("named"), rows(), f"{text}ensemble: true\n")


def encodings_of(schema: Schema) -> dict[str, str]:
    """The encodings of all numbers that have vectors."""
    every = dict(zip(schema.numeric, schema.number_encodings, strict=True))
    return {name: kind for name, kind in every.items() if kind != "standardised"}


def test_a_folder_keeps_the_encoding_of_every_number(shop: Shop, tmp_path: Path) -> None:
    exported = open_folder(shop.export("own", tmp_path / "own").folder, CPU)
    (model,) = exported.file.models
    assert model.settings["features"]["number_encodings"] == {"price": "bins", "age": "piecewise"}
    assert encodings_of(exported.members[0].model.schema) == OF_OWN


def test_members_of_an_ensemble_read_each_number_as_they_were_trained(
    shop: Shop, tmp_path: Path
) -> None:
    export = shop.export(ENSEMBLE, tmp_path / ENSEMBLE)
    assert export.max_difference <= TOLERANCE
    exported = open_folder(export.folder, CPU)
    schemas = {}
    for member, model in zip(exported.members, exported.file.models, strict=True):
        schemas[model.arm] = encodings_of(member.model.schema)
    assert schemas["own"] == OF_OWN
    assert schemas["counted"] == OF_COUNTED
    assert set(schemas["alike"].values()) == {"bins"}
    assert len(schemas["alike"]) == 3 + 6


def test_a_group_is_known_to_the_folder_of_one_model_that_names_it(
    shop: Shop, tmp_path: Path
) -> None:
    folder = shop.export("counted", tmp_path / "counted").folder
    exported = open_folder(folder, CPU)
    assert encodings_of(exported.members[0].model.schema) == OF_COUNTED
    assert exported.file.inputs.groups == {"person": (), "statistics": tuple(OF_COUNTED)}


def test_an_encoding_that_is_none_is_refused_at_its_place(shop: Shop, tmp_path: Path) -> None:
    folder = shop.export("own", tmp_path / "own").folder
    edited(folder, {"age: piecewise": "age: waves"})
    with pytest.raises(hs.ConfigurationError, match=r"config.yaml:\d+:\d+: .*number_encodings.age"):
        open_folder(folder, CPU)


@pytest.mark.parametrize("arm", ["own", "counted"])
def test_the_graph_scores_as_predict_does(arm: str, shop: Shop, tmp_path: Path) -> None:
    folder = shop.export(arm, tmp_path / arm, onnx=True).folder
    frame = test_part(rows()).drop("clicked", "bought")
    expected_RT = scores_of(folder, frame, tmp_path)
    assert expected_RT.max() - expected_RT.min() > 0.05
    graph_RT = graph_scores(folder, open_folder(folder, CPU).encode(frame))
    assert_allclose(graph_RT, expected_RT, rtol=0, atol=1e-5)
