"""Tree text: LightGBM's text of the trees of a task, checked before LightGBM reads it.

LightGBM trusts what it reads: of 500 damaged texts 386 ended the process, and 19 never ended. So of
its text only the lines that predictions need are kept, and each is checked. The rest is made here.
Shape legend: L leaves of a tree, N inner nodes, C categories of splits, W words of their bit sets,
S slopes of all leaves.
"""

import re
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hinet_search.common.errors import EnvironmentFault

if TYPE_CHECKING:
    import lightgbm

_INTEGER = r"-?[0-9]{1,10}"
_NUMBER = r"-?[0-9]{1,20}(\.[0-9]{1,30})?(e[+-][0-9]{1,3})?"
INTEGERS, NUMBERS = (re.compile(f"({each}( {each})*)?") for each in (_INTEGER, _NUMBER))
OF_SPLITS = ("split_feature", "threshold", "decision_type", "left_child", "right_child")
LINES = ("num_leaves", "num_cat", *OF_SPLITS, "leaf_value")
BY_ID_LINES = ("cat_boundaries", "cat_threshold")  # they follow where a split is by id
OF_SLOPES = ("num_features", "leaf_features", "leaf_coeff")
LINEAR_LINES = ("is_linear", "leaf_const", *OF_SLOPES)  # they follow where leaves are linear
NEEDED = re.compile(
    rf"^(?:is_linear=1|(?:{'|'.join(LINES + BY_ID_LINES + LINEAR_LINES[1:])})=.*)\n", re.MULTILINE
)
BY_THRESHOLD, BY_ID = (0, 2, 8, 10), (1, 9)  # decision types; they differ in how NaN goes
LARGEST_VALUE = 1e30  # of a leaf: the sum of all trees fits into float32


@dataclass(frozen=True)
class TreeLimits:
    """What trees of a task can have; of all inputs the first `num_by_id` are split by id."""

    num_inputs: int
    num_by_id: int
    num_trees: int
    num_leaves: int
    is_linear: bool = False


def import_lightgbm() -> ModuleType:
    """Import LightGBM, which takes a second and which only trees need.

    Errors: EnvironmentFault if it cannot be loaded.
    """
    try:
        import lightgbm
    except OSError as error:
        raise EnvironmentFault(
            f"trees need LightGBM, which must load here, but does not: {error}",
            remedy="install the OpenMP runtime (Debian and Ubuntu: apt install libgomp1; "
            "macOS: brew install libomp)",
        ) from error
    return lightgbm


def text_of_trees(booster: "lightgbm.Booster") -> str:
    """Return what predictions need of the trees of a booster, with an empty line after each."""
    trees = booster.model_to_string().partition("\nend of trees")[0].split("\nTree=")[1:]
    texts = ("".join([*NEEDED.findall(tree), "\n"]) for tree in trees)
    return re.sub(
        "(?<==) +| +(?= |\n)", "", "".join(texts)
    )  # it writes further spaces around slopes


def num_nodes(booster: "lightgbm.Booster") -> int:
    """Return the number of leaves and inner nodes of all trees of a booster."""
    trees = booster.model_to_string().split("\nnum_leaves=")[1:]
    return sum(2 * int(tree.partition("\n")[0]) - 1 for tree in trees)


def booster_of_text(text: str, limits: TreeLimits) -> "lightgbm.Booster":
    """Return a booster of the trees of `text_of_trees`; ValueError unless they are sound."""
    *trees, rest = text.split("\n\n")
    if rest or not 0 < len(trees) <= limits.num_trees:
        raise ValueError(f"there must be 1 to {limits.num_trees} trees, got {len(trees)}")
    for tree in trees:
        _check_tree(tree, limits)
    names = [f"input_{number}" for number in range(limits.num_inputs)]
    header = (
        "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\n"
        f"max_feature_idx={limits.num_inputs - 1}\n"
        f"feature_names={' '.join(names)}\nfeature_infos={' '.join(['none'] * len(names))}\n"
    )
    numbered = "".join(f"\nTree={number}\n{tree}\n" for number, tree in enumerate(trees))
    whole = f"{header}{numbered}\nend of trees\n"
    booster: lightgbm.Booster = import_lightgbm().Booster(model_str=whole)
    return booster


def _check_tree(tree: str, limits: TreeLimits) -> None:
    """Raise ValueError unless every row reaches a leaf of a tree, by inputs that it has."""
    texts = dict(line.partition("=")[::2] for line in tree.split("\n"))
    has_ids = "cat_threshold" in texts
    is_linear = limits.is_linear and "is_linear" in texts  # a tree of one leaf never is
    names = LINES + BY_ID_LINES * has_ids + LINEAR_LINES * is_linear
    if "\n".join(f"{name}={texts.get(name)}" for name in names) != tree:
        raise ValueError(f"a tree must have the lines {', '.join(names)}, each once")
    value_L = _numbers(texts, "leaf_value", np.float64)
    num_leaves = len(value_L)
    num_inner = num_leaves - 1
    _must(0 < num_leaves <= limits.num_leaves, f"a tree must have 1 to {limits.num_leaves} leaves")
    _must(texts["num_leaves"] == str(num_leaves), "num_leaves must be the number of leaves")
    _must((np.abs(value_L) <= LARGEST_VALUE).all(), "leaves must have finite values")
    if is_linear:
        _check_slopes(texts, limits, num_leaves)
    feature_N, decision_N, left_N, right_N = (
        _numbers(texts, name, np.int64) for name in OF_SPLITS if name != "threshold"
    )
    threshold_N = _numbers(texts, "threshold", np.float64)
    sizes = {len(feature_N), len(decision_N), len(left_N), len(right_N), len(threshold_N)}
    _must(sizes == {num_inner}, "every inner node must have one entry in each line")
    root = 0 if num_inner else -1  # a leaf is numbered ~leaf
    reached = np.sort(np.concatenate([left_N, right_N, [root]]))
    each_once = np.array_equal(reached, np.arange(-num_leaves, num_inner))
    _must(each_once, "every node must be the root or the child of exactly one node")
    is_input_N = (feature_N >= 0) & (feature_N < limits.num_inputs)
    _must(is_input_N.all(), f"every node must read one of the {limits.num_inputs} inputs")
    by_id_N = np.isin(decision_N, BY_ID)
    is_sound_N = (by_id_N | np.isin(decision_N, BY_THRESHOLD)) & (
        by_id_N == (feature_N < limits.num_by_id)
    )
    _must(is_sound_N.all(), "ids, and only these, must be split by id")
    _must(np.isfinite(threshold_N).all(), "thresholds must be finite")
    _check_ids(texts, threshold_N[by_id_N])


def _check_slopes(texts: dict[str, str], limits: TreeLimits, num_leaves: int) -> None:
    """Check that every leaf has finite slopes of numeric inputs; ValueError otherwise."""
    const_L, slope_S = (_numbers(texts, name, np.float64) for name in ("leaf_const", "leaf_coeff"))
    num_L, feature_S = (_numbers(texts, name, np.int64) for name in OF_SLOPES[:2])
    _must(texts["is_linear"] == "1", "is_linear must be 1")
    _must(len(const_L) == len(num_L) == num_leaves, "every leaf must have a constant and slopes")
    sizes = {len(slope_S), len(feature_S)}
    _must((num_L >= 0).all() and sizes == {num_L.sum()}, "every slope must have an input")
    is_number_S = (feature_S >= limits.num_by_id) & (feature_S < limits.num_inputs)
    _must(is_number_S.all(), "slopes must be of numeric inputs")
    largest = np.abs(np.concatenate([const_L, slope_S])).max()
    _must(largest <= LARGEST_VALUE, "leaves must have finite slopes")


def _check_ids(texts: dict[str, str], category_C: NDArray[np.float64]) -> None:
    """Check that every split by id has a bit set of its own; ValueError otherwise."""
    _must(texts["num_cat"] == str(len(category_C)), "num_cat must be the number of splits by id")
    each_once = np.array_equal(np.sort(category_C), np.arange(len(category_C)))
    _must(each_once, "every split by id must have a number of its own")
    if "cat_threshold" not in texts:
        _must(not len(category_C), "splits by id must have bit sets")
        return
    word_W = _numbers(texts, "cat_threshold", np.int64)
    bounds = _numbers(texts, "cat_boundaries", np.int64)
    _must(len(bounds) == len(category_C) + 1, "every split by id must have one bit set")
    ends = bounds[0] == 0 and bounds[-1] == len(word_W)
    _must(ends and (np.diff(bounds) > 0).all(), "bit sets must follow one another")
    _must(((word_W >= 0) & (word_W < 2**32)).all(), "words of bit sets must have 32 bits")


def _numbers(texts: dict[str, str], name: str, dtype: type[np.generic]) -> NDArray[Any]:
    pattern = NUMBERS if dtype is np.float64 else INTEGERS
    _must(pattern.fullmatch(texts[name]) is not None, f"{name} must be numbers")
    return np.array(texts[name].split(), dtype=dtype)


def _must(holds: bool | np.bool_, what: str) -> None:  # noqa: FBT001  read as an assertion
    if not holds:
        raise ValueError(what)
