"""Trees that a file holds are checked before LightGBM reads them, which trusts what it reads."""

import random
import re

import numpy as np
import pytest
import torch
from small_trees import grown, rows

from hinet_search.models.trees import Model

NUMBERS = (
    *("-1", "-2", "-16", "-2147483648", "0", "1", "7", "8", "100", "2147483647", "4294967296"),
    *("99999999999999999999", "nan", "-inf", "1e+400", "1e+308", "1_0", "", "a"),
)
NUM_DAMAGED = 600


def test_tensors_of_other_names_are_no_trees() -> None:
    with pytest.raises(
        ValueError, match=r"trees.click, trees.order, got root_Q, value_N; .* again"
    ):
        grown().load_state_dict({"value_N": torch.zeros(9), "root_Q": torch.zeros(2)})


def text_of(model: Model) -> str:
    return model.state_dict()["trees.click"].numpy().tobytes().decode()


def load(model: Model, text: str) -> None:
    content = torch.from_numpy(np.frombuffer(bytearray(text, "latin1"), np.uint8))
    model.load_state_dict({**model.state_dict(), "trees.click": content})


def first_entry(text: str, name: str, value: str) -> str:
    """Replace the first entry of the first line of that name."""
    return re.sub(rf"(?<=\n){name}=[^ \n]*", f"{name}={value}", "\n" + text, count=1)[1:]


ENTRIES = {  # by a line and what its first entry becomes
    ("leaf_value", " ".join(["0"] * 9)): "a tree must have 1 to 8 leaves",
    ("num_leaves", "7"): "num_leaves must be the number of leaves",
    ("leaf_value", "1e+308"): "leaves must have finite values",
    ("leaf_value", "nan"): "leaf_value must be numbers",
    ("threshold", "inf"): "threshold must be numbers",
    ("threshold", "1e+999"): "thresholds must be finite",
    ("left_child", "1 1"): "every inner node must have one entry in each line",
    ("left_child", "0"): "every node must be the root or the child of exactly one node",
    ("right_child", "-99"): "every node must be the root or the child of exactly one node",
    ("split_feature", "4"): "every node must read one of the 4 inputs",
    ("decision_type", "99"): "ids, and only these, must be split by id",
    ("num_cat", "9"): "num_cat must be the number of splits by id",
    ("cat_boundaries", "1"): "bit sets must follow one another",
    ("cat_threshold", "4294967296"): "words of bit sets must have 32 bits",
}


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_damaged_entry_is_refused(entry: tuple[str, str]) -> None:
    model = grown()
    with pytest.raises(ValueError, match=f"^{ENTRIES[entry]}"):
        load(model, first_entry(text_of(model), *entry))


LINEAR_ENTRIES = {
    ("is_linear", "2"): "is_linear must be 1",
    ("leaf_const", "1e+308"): "leaves must have finite slopes",
    ("leaf_const", "0 0"): "every leaf must have a constant and slopes",
    ("num_features", "-1"): "every slope must have an input",
    ("num_features", "9"): "every slope must have an input",
    ("leaf_features", "0"): "slopes must be of numeric inputs",
    ("leaf_features", "4"): "slopes must be of numeric inputs",
    ("leaf_features", "3 3"): "every slope must have an input",
    ("leaf_coeff", "nan"): "leaf_coeff must be numbers",
    ("leaf_coeff", "1e+308"): "leaves must have finite slopes",
}


@pytest.mark.parametrize("entry", LINEAR_ENTRIES)
def test_a_damaged_entry_of_linear_leaves_is_refused(entry: tuple[str, str]) -> None:
    model = grown(linear_leaves=True)
    first, rest = text_of(model).split("\n\n", 1)  # leaves of the first tree are constant
    with pytest.raises(ValueError, match=f"^{LINEAR_ENTRIES[entry]}"):
        load(model, f"{first}\n\n{first_entry(rest, *entry)}")


def test_linear_leaves_are_refused_where_leaves_are_constant() -> None:
    with pytest.raises(ValueError, match="a tree must have the lines"):
        load(grown(), text_of(grown(linear_leaves=True)))


def test_more_trees_than_rounds_and_none_are_refused() -> None:
    model = grown()
    for text, number in ((2 * text_of(model), 24), ("", 0)):
        with pytest.raises(ValueError, match=f"there must be 1 to 12 trees, got {number}"):
            load(model, text)


def damaged(text: str, drawn: random.Random) -> str:
    """Return the text with changed characters, numbers or lines, or cut off."""
    kind = drawn.choice(["characters", "number", "number", "line", "end"])
    if kind == "number":
        place = drawn.choice(list(re.finditer(r"(?<=[= ])[^ =\n]+", text)))
        return text[: place.start()] + drawn.choice(NUMBERS) + text[place.end() :]
    if kind == "line":
        lines = text.splitlines(keepends=True)
        line = lines.pop(drawn.randrange(len(lines)))
        lines.insert(drawn.randrange(len(lines)), drawn.choice(["", line, 2 * line]))
        return "".join(lines)
    if kind == "end":
        return text[: drawn.randrange(len(text))]
    characters = list(text)
    for _ in range(drawn.choice([1, 3, 30])):
        characters[drawn.randrange(len(text))] = chr(drawn.randrange(256))
    return "".join(characters)


@pytest.mark.parametrize("linear", [False, True])
def test_damaged_trees_are_refused_or_score_finitely(linear: bool) -> None:
    """What got past the checks would end this process, or never end: LightGBM has none."""
    model, columns = grown(linear_leaves=linear), rows(50, seed=1)
    columns.numeric_RN[0] = 3e38
    text, drawn = text_of(model), random.Random(7)
    num_refused = 0
    for _ in range(NUM_DAMAGED):
        try:
            load(model, damaged(text, drawn))
        except ValueError:
            num_refused += 1
        else:
            assert np.isfinite(model.logits(columns)).all()
    assert NUM_DAMAGED / 2 < num_refused < NUM_DAMAGED
