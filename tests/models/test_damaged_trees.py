"""Trees that a file holds are checked before they are used."""

import numpy as np
import pytest
import torch
from small_trees import grown


def test_tensors_of_other_names_are_no_trees() -> None:
    with pytest.raises(ValueError, match=r"trees must be the tensors .*, got base_T, left_KV"):
        grown().load_state_dict({"left_KV": torch.zeros(1, 255), "base_T": torch.zeros(2)})


DAMAGE = {
    "a split by id must name ids of its input": ("left_id_C", -1, 99),
    "only ids can be split by id": ("feature_N", "by id", 3),
    "every node must read one of the 4 inputs": ("feature_N", 0, 4),
    "every tree must be of one of the 2 tasks": ("task_Q", 0, 2),
    "every task must have 1 to 12 trees, got 13": ("task_Q", -1, 0),
    "every id must be of exactly one node": ("num_ids_N", "by id", 0),
    "the ids of a node must come after": ("first_id_N", -1, 0),
    "must have 0 to": ("num_ids_N", 0, -1),
    "a child must come after its parent": ("left_N", "by id", 0),
    "every node must be a root or the child": ("right_N", "by id", -1),
    "a leaf must be its own child": ("right_N", -1, 0),
}


@pytest.mark.parametrize("words", DAMAGE)
def test_damaged_trees_are_refused(words: str) -> None:
    name, at, value = DAMAGE[words]
    model = grown()
    arrays = {key: tensor.numpy().copy() for key, tensor in model.state_dict().items()}
    node = np.flatnonzero(arrays["num_ids_N"])[-1] if at == "by id" else at
    arrays[name][node] = value if value != -1 or at != "by id" else len(arrays["left_N"]) - 1
    with pytest.raises(ValueError, match=words):
        model.load_state_dict({key: torch.from_numpy(array) for key, array in arrays.items()})
