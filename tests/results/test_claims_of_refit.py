"""Claims of refit: a quick form of docs/results/claims_of_refit.py: what is not better is rarely called so."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.stats import binom

SCRIPTS = Path(__file__).parents[2] / "docs" / "results"
STUDIES = 60


def loaded() -> ModuleType:
    sys.path.insert(0, str(SCRIPTS))
    try:
        return importlib.import_module("claims_of_refit")
    finally:
        sys.path.remove(str(SCRIPTS))


CLAIMS = loaded()


def at_most(studies: int) -> int:
    """The one-sided 95 % bound of the allowed rate."""
    return int(binom.ppf(0.95, studies, CLAIMS.ALLOWED))


def test_a_model_that_is_no_better_is_rarely_called_better_or_worse() -> None:
    draw = np.random.default_rng(1)
    world = CLAIMS.NEWER["300 held-out rows of 80 users"]
    told = [world.told(draw).gain.direction for _ in range(STUDIES)]
    assert told.count("better") <= at_most(STUDIES)
    assert told.count("worse") <= at_most(STUDIES)


def test_a_model_that_is_much_better_is_mostly_called_so() -> None:
    draw = np.random.default_rng(1)
    told = [CLAIMS.BETTER.told(draw).gain.direction for _ in range(20)]
    assert told.count("better") >= 12
    assert "worse" not in told


@pytest.mark.parametrize("num_rows", [600, 1200])
def test_a_calibrator_that_is_right_is_rarely_replaced(num_rows: int) -> None:
    draw = np.random.default_rng(1)
    fitted = [CLAIMS.refitted_cell(draw, num_rows, CLAIMS.RIGHT) for _ in range(STUDIES)]
    replaced = [cell.calibrator != CLAIMS.RIGHT for cell in fitted]
    assert sum(replaced) <= at_most(STUDIES)


def test_a_calibrator_that_is_wrong_is_replaced() -> None:
    draw = np.random.default_rng(1)
    fitted = [CLAIMS.refitted_cell(draw, 2400, CLAIMS.WRONG) for _ in range(10)]
    assert all(cell.calibrator != CLAIMS.WRONG for cell in fitted)


def test_every_part_gives_rates_with_their_interval() -> None:
    rates = list(CLAIMS.calibrators(2))
    assert all(0 <= rate.low <= rate.share <= rate.high <= 1 for rate in rates)
    assert {rate.studies for rate in rates} <= {1, 2}
    assert {rate.allowed for rate in rates} == {CLAIMS.ALLOWED, None}


def test_all_parts_are_tables_by_their_title(monkeypatch: pytest.MonkeyPatch) -> None:
    one = CLAIMS.rate("words", [True, False])
    monkeypatch.setattr(CLAIMS, "PARTS", dict.fromkeys(CLAIMS.PARTS, lambda _: iter([one])))
    tables = CLAIMS.tables(2)
    assert list(tables) == list(CLAIMS.TITLES.values())
    for rows in tables.values():
        assert rows == [("words", 0.5, one.low, one.high, 2, 0.05)]
