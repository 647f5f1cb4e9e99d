"""What another library cannot have is refused, with what to do, and nothing is written."""

from pathlib import Path

import pytest

import hinet_search as hs
from hinet_search.api import export_for
from hinet_search.common.errors import ConfigurationError, DataError, EnvironmentFault
from tests.serving.peer_shop import peer_rows
from tests.serving.shop import SHORT, Shop, launch_shop

REFUSED = [
    (
        "fuxictr",
        "of_tasks",
        "hinet",
        "FuxiCTR must have the model, which hinet is not; it has shared_bottom, mmoe",
    ),
    ("torcheasyrec", "of_tasks", "hinet", "TorchEasyRec must have the model, which hinet is not"),
    (
        "torcheasyrec",
        "of_one_task",
        "final_mlp",
        "TorchEasyRec must have the model, which final_mlp is not",
    ),
    ("fuxictr", "of_tasks", "pepnet", "FuxiCTR's PPNet must have one task, got click, order"),
    ("fuxictr", "of_tasks", "trees", "must be a network for another library, got trees"),
    (
        "fuxictr",
        "of_tasks",
        "alone",
        "must be one joint network (model.protocol mdmt), got per_task",
    ),
]


@pytest.mark.parametrize(("library", "study", "arm", "words"), REFUSED)
def test_other_models_are_refused(
    library: str, study: str, arm: str, words: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    shop: Shop = request.getfixturevalue(study)
    with pytest.raises(ConfigurationError) as caught:
        export_for(library, shop.study, tmp_path / "to", arm=arm, output=shop.out)
    assert words in str(caught.value)
    assert "hinet-search export STUDY/ARM" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_amounts_are_refused(tmp_path: Path) -> None:
    text = """\
data:
  source: {kind: table, path: shop.parquet}
  scenario: {column: place, values: {1: Home}}
  tasks: {price: {column: price, kind: amount}}
  features: {categorical: [user, item]}
  split: {by: random, seed: 1, valid: 0.2, test: 0.2}
arms: {mmoe: }
"""
    shop = launch_shop(tmp_path / "shop", peer_rows().drop_nulls("price"), text + SHORT)
    with pytest.raises(ConfigurationError, match=r"labels must be 0 or 1 .* got amounts of price"):
        export_for("fuxictr", shop.study, tmp_path / "to", output=shop.out)


def test_several_members_are_refused(tmp_path: Path, shop: Shop) -> None:
    hs.export(str(shop.study), tmp_path / "model", arm="mmoe", seeds="all", output=shop.out)
    with pytest.raises(ConfigurationError, match=r"must be one network .* got 2 members"):
        export_for("fuxictr", tmp_path / "model", tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_a_folder_with_files_is_never_written_to(tmp_path: Path, of_tasks: Shop) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="must be a new or an empty folder"):
        export_for("fuxictr", of_tasks.study, tmp_path, arm="mmoe", output=of_tasks.out)


def test_a_choice_within_an_exported_model_is_refused(tmp_path: Path, of_tasks: Shop) -> None:
    of_tasks.export("mmoe", tmp_path / "model")
    for given in ({"arm": "ple"}, {"at": "5ms"}, {"size": "small"}):
        with pytest.raises(ConfigurationError, match=f"as it is, got {next(iter(given))}"):
            export_for("fuxictr", tmp_path / "model", tmp_path / "to", **given)


def test_a_damaged_model_is_refused(tmp_path: Path, of_tasks: Shop) -> None:
    of_tasks.export("mmoe", tmp_path / "model")
    (tmp_path / "model" / "weights.safetensors").write_bytes(b"")
    with pytest.raises(DataError, match="has changed"):
        export_for("fuxictr", tmp_path / "model", tmp_path / "to")


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, of_tasks: Shop) -> None:
    of_tasks.export("mmoe", tmp_path / "model")
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentFault, match="cannot be written: "):
        export_for("fuxictr", tmp_path / "model", tmp_path / "file" / "to")
