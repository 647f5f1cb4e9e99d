"""Shifts: tell numeric inputs that are others on test than on train, or that know training labels.

Only the inputs of test rows are used, never their labels.
Shape legend: R rows of a split, N numeric inputs, T tasks.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from math import hypot, sqrt

import numpy as np
from numpy.typing import NDArray

from hinet_search.common.amounts import percent
from hinet_search.data.cell_counts import auc
from hinet_search.results.cells import Labels, of_kind

MAX_ROWS = 50_000  # of a split: every k-th of more
MAX_DISTANCE = 0.3  # between the distributions of an input on train and on test
MAX_DROP = 0.1  # of a single input's AUC from train to valid
ERRORS = 4.0  # standard errors that a drop must exceed
MIN_ROWS = 100  # of a split; of fewer rows distributions always differ
MAX_NAMED = 5  # inputs in one warning

Inputs = NDArray[np.float32]


@dataclass(frozen=True)
class SplitSample:
    """Numeric inputs and labels of some rows of a split.

    Without a mask all rows have a task. Tasks that are no `amounts` have labels of 0 and 1.
    """

    numeric_RN: Inputs
    labels_RT: Labels
    has_label_RT: NDArray[np.bool_] | None = None
    amounts: Collection[int] = ()

    def input_of(self, position: int, task: int) -> "_Labelled":
        """One input with the labels of a task, in the rows that have it."""
        rows = slice(None) if self.has_label_RT is None else self.has_label_RT[:, task]
        labels_R = of_kind(self.labels_RT[rows, task], is_amount=task in self.amounts)
        return _Labelled(self.numeric_RN[rows, position], labels_R)


@dataclass(frozen=True)
class _Labelled:
    input_R: Inputs
    labels_R: Labels

    @property
    def auc(self) -> float | None:
        """AUC of the input alone; None where a class is missing."""
        return auc(self.input_R.astype(np.float64), self.labels_R)

    @property
    def error(self) -> float:
        """About the largest standard error that the AUC can have, by its smaller class.

        Kish's effective sample size of the amounts takes the place of the number of positives.
        """
        total = float(self.labels_R.sum(dtype=np.float64))
        squares = float((self.labels_R.astype(np.float64) ** 2).sum())
        num_positive = round(total**2 / squares) if squares else 0
        return 0.5 / sqrt(max(1, min(num_positive, self.labels_R.size - num_positive)))


def sampled(num_rows: int) -> slice:
    """The rows of a split that are looked at."""
    return slice(None, None, max(1, -(-num_rows // MAX_ROWS)))


@dataclass(frozen=True)
class Shift:
    """An input with other values on test than on train."""

    name: str
    apart: float  # the largest difference of the distribution functions
    beyond: float  # share of test rows outside the range of train


@dataclass(frozen=True)
class Drop:
    """An input that predicts a task much better on train than on valid, by itself."""

    name: str
    task: str
    train: float  # AUC
    valid: float


@dataclass(frozen=True)
class ClockedInputs:
    """Inputs that count earlier days or rows only, and some are `growing`.

    A drop of their AUC is no leak: those of `all_of_them` age, as labels of later splits are not
    counted; those that are `fresh` count them anew, and are as old on valid as on train.
    """

    growing: Collection[str] = ()
    all_of_them: Collection[str] = ()
    fresh: Collection[str] = ()


NO_CLOCK = ClockedInputs()


def shift_warnings(
    names: Sequence[str],
    tasks: Sequence[str],
    train: SplitSample,
    valid: SplitSample,
    test_RN: Inputs,
    statistics: ClockedInputs = NO_CLOCK,
) -> list[str]:
    """Warn of inputs that shift from train to test, and of AUCs that drop from train to valid.

    Inputs that grow by nature are not told to shift.
    """
    shifted = shifts(names, train.numeric_RN, test_RN)
    shifted = [shift for shift in shifted if shift.name not in statistics.growing]
    dropped = drops(names, tasks, train, valid)
    dropped = [drop for drop in dropped if drop.name not in statistics.fresh]
    of_drops = [_drop_in_words(drop, statistics.all_of_them) for drop in dropped]
    return [*_shifts_in_words(shifted), *of_drops]


def shifts(names: Sequence[str], train_RN: Inputs, test_RN: Inputs) -> list[Shift]:
    """The inputs that shift, the farthest first."""
    if min(len(train_RN), len(test_RN)) < MIN_ROWS:
        return []
    shifted = []
    for name, train_R, test_R in zip(names, train_RN.T, test_RN.T, strict=True):
        apart = distance(train_R, test_R)
        if apart > MAX_DISTANCE:
            is_beyond_R = (test_R < train_R.min()) | (test_R > train_R.max())
            shifted.append(Shift(name, apart, float(is_beyond_R.mean())))
    return sorted(shifted, key=lambda shift: -shift.apart)


def distance(left_R: Inputs, right_R: Inputs) -> float:
    """The largest difference of two distribution functions (Kolmogorov and Smirnov)."""
    values = np.unique(np.concatenate([left_R, right_R]))
    below_left = np.searchsorted(np.sort(left_R), values, side="right") / left_R.size
    below_right = np.searchsorted(np.sort(right_R), values, side="right") / right_R.size
    return float(np.abs(below_left - below_right).max())


def drops(
    names: Sequence[str], tasks: Sequence[str], train: SplitSample, valid: SplitSample
) -> list[Drop]:
    """The inputs whose AUC drops, each with the task of its largest drop."""
    dropped = []
    for position, name in enumerate(names):
        of_input = []
        for task, task_name in enumerate(tasks):
            left = train.input_of(position, task)
            drop = _drop(name, task_name, left, valid.input_of(position, task))
            if drop is not None:
                of_input.append(drop)
        if of_input:
            dropped.append(max(of_input, key=lambda drop: abs(drop.train - drop.valid)))
    return dropped


def _drop(name: str, task: str, train: "_Labelled", valid: "_Labelled") -> Drop | None:
    """Compare in the direction in which the input helps on train."""
    train_auc = train.auc
    valid_auc = valid.auc
    if train_auc is None or valid_auc is None:
        return None
    sign = 1 if train_auc >= 0.5 else -1
    largest = max(MAX_DROP, ERRORS * hypot(train.error, valid.error))
    has_dropped = sign * (train_auc - valid_auc) > largest
    return Drop(name, task, train_auc, valid_auc) if has_dropped else None


def _shifts_in_words(shifted: Sequence[Shift]) -> Iterator[str]:
    """`price (distributions .45 apart, 21 % beyond train's range)` and others in one warning."""
    if not shifted:
        return
    named = []
    for shift in shifted[:MAX_NAMED]:
        beyond = f", {percent(shift.beyond)} beyond train's range" if shift.beyond >= 0.01 else ""
        named.append(f"{shift.name} (distributions {_short(shift.apart)} apart{beyond})")
    num_more = len(shifted) - len(named)
    more = f" and {num_more} more inputs" if num_more else ""
    yield (
        f"the values of test rows are not those of train rows in {', '.join(named)}{more}. Numbers "
        "that grow with time say little of later rows: take a difference or a share instead, or "
        "leave them out"
    )


def _drop_in_words(drop: Drop, of_clock: Collection[str]) -> str:
    dropped = (
        f"{drop.name} alone has AUC {_short(drop.train)} for {drop.task} on train and "
        f"{_short(drop.valid)} on valid"
    )
    if drop.name in of_clock:
        return (
            f"{dropped}: it counts labels of earlier days, which say less of these later ones; if "
            "production counts anew every day, say so with refresh: day"
        )
    return (
        f"{dropped}: it may be made of the labels of its own row; count only labels of earlier "
        "days, or leave it out"
    )


def _short(number: float) -> str:
    return f"{number:.2f}".lstrip("0")
