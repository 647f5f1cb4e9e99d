"""Where a search starts follows from the rows of a table, and from whether ids have statistics."""

import pytest

from hinet_search.data.guess.training_settings import (
    EMBEDDING_OPTIMISER,
    LARGEST_BATCH,
    MANY_EPOCHS,
    MANY_IDS,
    MANY_ROWS,
    MULTIPLIER,
    PENALTY,
    RATE,
    SMALLEST_BATCH,
    training_settings,
)
from hinet_search.models.trees import Config as Trees


@pytest.mark.parametrize("has_statistics", [False, True])
def test_batches_grow_with_the_rows_between_two_ends(has_statistics: bool) -> None:
    rows = [2, 100, 6_668, 69_801, 129_380, 700_137, 10**8]
    sizes = [training_settings(n, has_statistics=has_statistics).batch_size for n in rows]
    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[-1]) == (SMALLEST_BATCH, LARGEST_BATCH)
    assert all(size & (size - 1) == 0 for size in sizes), "powers of two"


def test_ids_without_statistics_learn_faster_and_get_more_patience() -> None:
    alone = training_settings(100_000, has_statistics=False)
    helped = training_settings(100_000, has_statistics=True)
    epochs_of_patience = [
        each.fixed["train.patience"] / each.fixed["train.evaluations_per_epoch"]
        for each in (alone, helped)
    ]
    assert epochs_of_patience == [2.0, 1.0]
    multipliers = [each.parameters[MULTIPLIER]["default"] for each in (alone, helped)]
    assert multipliers[0] > multipliers[1]


def test_from_many_rows_embeddings_matter_beside_statistics_too() -> None:
    settings = [
        training_settings(num_rows, has_statistics=has_statistics)
        for num_rows in (MANY_ROWS - 1, MANY_ROWS)
        for has_statistics in (True, False)
    ]
    assert [each.learns_ids for each in settings] == [False, True, True, True]
    assert settings[2] == settings[3]


def test_a_quick_study_of_a_single_epoch_learns_faster_and_may_grow_more_trees() -> None:
    for has_statistics in (False, True):
        settings = training_settings(MANY_ROWS - 1, has_statistics=has_statistics)
        quick = settings.quick_parameters
        assert settings.quick_epochs == 1
        assert quick[RATE]["default"] > settings.parameters[RATE]["default"]
        assert quick["model.max_rounds"]["default"] > Trees().max_rounds
        assert quick["model.learning_rate"]["default"] > Trees().learning_rate


def test_networks_start_with_bins_where_features_are_numbers() -> None:
    with_numbers = training_settings(10_000, has_statistics=True, has_numbers=True)
    without = training_settings(10_000, has_statistics=True)
    assert with_numbers.parameters["features.number_encoding"] == {"default": "bins"}
    assert "features.number_encoding" not in without.parameters
    assert "  features.number_encoding: {default: bins}" in with_numbers.lines()


def test_with_a_million_ids_only_rows_of_the_batch_are_updated() -> None:
    few, many = (
        training_settings(10**7, has_statistics=False, num_ids=num_ids)
        for num_ids in (MANY_IDS - 1, MANY_IDS)
    )
    assert EMBEDDING_OPTIMISER not in few.fixed
    assert many.fixed == {EMBEDDING_OPTIMISER: "lazy_adam", **few.fixed}
    assert "fixed: {train.embedding_optimiser: lazy_adam, train" in "\n".join(many.lines())


@pytest.mark.parametrize("rows", [1_000, 10_000, 60_000, 100_000, 5_000_000])
def test_a_quick_study_of_few_epochs_does_not_penalise_embeddings(rows: int) -> None:
    settings = training_settings(rows, has_statistics=True)
    assert 1 <= settings.quick_epochs <= settings.epochs
    assert settings.parameters[PENALTY]["default"] > 0
    if settings.quick_epochs < MANY_EPOCHS:
        assert settings.quick_parameters[PENALTY]["default"] == 0
    else:  # it starts where the full one does
        assert settings.quick_parameters == {}
        assert list(settings.quick_lines()) == []
