"""A study that refits exports the model of train and validation, checked by the scores of that model."""

from pathlib import Path

import pytest
from safetensors.numpy import load_file

from hinet_search.results.decision import decision
from hinet_search.results.ensemble_records import ENSEMBLE
from hinet_search.results.verdict import verdict
from hinet_search.serving.export import TOLERANCE
from hinet_search.training.jobs.messages import refit_path
from tests.serving.shop import STUDY, Shop, launch_shop, rows

ARMS = "  shared_bottom:\n  mmoe:\n"
ALIKE = "  mmoe:\n  wide: {model: mmoe, fixed: {model.embedding_dim: 16}}\n"  # a mean beats both


def launched(folder: Path, more: str, arms: str = ARMS) -> Shop:
    text = STUDY.format(arms=arms).replace("seeds: 2}", "seeds: 2, refit: true}")
    return launch_shop(folder, rows(), f"{text}reference: mmoe\n{more}")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A study that ships one model, refitted."""
    return launched(tmp_path_factory.mktemp("one"), "")


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A study that ships its ensemble, refitted."""
    more = "objective: logloss\nensemble: true\nserving: {max_ms_per_100_rows: 1.0e+6}\n"
    return launched(tmp_path_factory.mktemp("together"), more, ALIKE)


def taken(shop: Shop) -> str:
    offer = decision(shop.record, verdict(shop.record)).taken
    assert offer is not None
    return offer.name


def card_of(folder: Path) -> str:
    return (folder / "card.md").read_text()


def test_what_is_shipped_has_the_weights_of_its_refit(shop: Shop, tmp_path: Path) -> None:
    written = shop.export(taken(shop), tmp_path / "model")
    refitted = load_file(refit_path(shop.weights(taken(shop), written.seeds[0])))
    exported = load_file(tmp_path / "model" / "weights.safetensors")
    assert all((exported[name] == refitted[name]).all() for name in refitted)
    assert written.max_difference <= TOLERANCE
    assert "Metrics on test are those of the model before" in card_of(tmp_path / "model")


def test_another_arm_has_the_weights_that_were_tested(shop: Shop, tmp_path: Path) -> None:
    (other,) = {"shared_bottom", "mmoe"} - {taken(shop)}
    written = shop.export(other, tmp_path / "model")
    tested = load_file(shop.weights(other, written.seeds[0]))
    exported = load_file(tmp_path / "model" / "weights.safetensors")
    assert all((exported[name] == tested[name]).all() for name in tested)
    assert "of the model before" not in card_of(tmp_path / "model")


def test_a_refitted_ensemble_is_checked_by_the_mean_of_its_refits(
    together: Shop, tmp_path: Path
) -> None:
    assert taken(together) == ENSEMBLE
    written = together.export(ENSEMBLE, tmp_path / "model")
    assert written.max_difference <= TOLERANCE
    assert "Metrics on test are those of the model before" in card_of(tmp_path / "model")
