"""Importance: what a model loses if one input is shuffled, of models whose inputs are known."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from hinet_search.data.columns import Columns
from hinet_search.data.schema import ListField, Schema, SequenceField
from hinet_search.training import importance
from hinet_search.training.importance import importances, inputs_of
from tests.training.datasets import columns, dataset

SCHEMA = dataset(columns(50, 1), columns(50, 2)).full_schema


@dataclass
class Reads:
    """A model whose scores are the first number, or the first field."""

    array: str
    scored: list[Columns] = field(default_factory=list)

    def scores(self, rows: Columns) -> NDArray[np.float32]:
        self.scored.append(rows)
        score_R = getattr(rows, self.array)[:, 0].astype(np.float32)
        return np.stack([score_R, score_R], axis=1)


def lost(model: Reads, rows: Columns, seed: int = 0) -> dict[str, float]:
    return importances(model, rows, SCHEMA, np.random.default_rng(seed))  # type: ignore[arg-type]  # as a Trainable scores


def test_an_input_that_decides_loses_half_and_one_that_is_not_read_nothing() -> None:
    losses = lost(Reads("numeric_RN"), columns(4_000, 1))
    assert losses == {
        "item": 0.0,
        "a": pytest.approx(0.5, abs=0.03),  # an AUC of 1 becomes one of chance
        "b": 0.0,
    }


def test_a_loss_is_the_difference_of_two_aucs_over_pairs_of_rows() -> None:
    rows = columns(60, 3, flip=0.2)
    model = Reads("numeric_RN")
    losses = lost(model, rows)
    whole, _, shuffled, _ = model.scored
    aucs = []
    for scored in (whole, shuffled):
        of_tasks = []
        for task in range(2):
            label_R = scored.labels_RT[:, task] == 1
            score_R = scored.numeric_RN[:, 0]
            pairs = score_R[label_R][:, np.newaxis] - score_R[~label_R]
            of_tasks.append(np.mean((pairs > 0) + 0.5 * (pairs == 0)))
        aucs.append(np.mean(of_tasks))
    assert losses["a"] == pytest.approx(aucs[0] - aucs[1])


def test_shuffling_moves_one_input_alone_and_keeps_its_values() -> None:
    model = Reads("ids_RF")
    lost(model, columns(80, 2))
    whole, of_item, of_a, _ = model.scored
    assert sorted(of_item.ids_RF[:, 0]) == sorted(whole.ids_RF[:, 0])
    assert (of_item.ids_RF != whole.ids_RF).any()
    assert (of_item.numeric_RN == whole.numeric_RN).all()
    assert (of_a.numeric_RN[:, 1] == whole.numeric_RN[:, 1]).all()
    for rows in model.scored:
        assert (rows.labels_RT == whole.labels_RT).all()
        assert (rows.scenario_R == whole.scenario_R).all()


def test_all_copies_together_have_no_more_rows_than_validation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importance, "FEWEST_SCORED", 100)
    model = Reads("numeric_RN")
    lost(model, columns(1_000, 4))
    assert [rows.num_rows for rows in model.scored] == [250] * 4


def test_the_same_seed_draws_the_same_rows() -> None:
    rows = columns(300, 5, flip=0.3)
    assert lost(Reads("numeric_RN"), rows, 1) == lost(Reads("numeric_RN"), rows, 1)
    assert lost(Reads("numeric_RN"), rows, 1) != lost(Reads("numeric_RN"), rows, 2)


def test_a_number_has_its_flag_and_a_sequence_all_slots_of_its_lists() -> None:
    lists = [ListField(name, 0, 2, "mean") for name in ("tags", "watched", "labels", "gap")]
    schema = replace(
        SCHEMA,
        numeric=("a", "a_missing", "b"),
        lists=tuple(lists),
        sequences=(SequenceField("history", "mean", ("watched",), ("labels",), "gap"),),
    )
    assert inputs_of(schema) == {
        "ids_RF": {"item": [0]},
        "numeric_RN": {"a": [0, 1], "b": [2]},
        "lists_RS": {"tags": [0, 1], "history": [2, 3, 4, 5, 6, 7]},
    }


def test_data_without_lists_have_none() -> None:
    assert inputs_of(Schema(("s",), ("t",), (), (), ("a",)))["lists_RS"] == {}
