"""The portfolio is a greedy cover of the recorded tables, and the shipped one is the chosen one."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from hinet_search.study.search_space import load_space
from portfolio import greedy_cover, portfolio, shares
from recorded import recorded
from replay.recorded_tables import recorded_table
from replay.table import Table
from replay.warm_start import carried_from_another

LACKS = arrays(np.float64, (3, 6), elements=st.floats(0, 4))


@given(LACKS, st.integers(1, 5))
def test_each_configuration_is_the_one_that_lowers_most_what_the_best_so_far_lacks(
    lacks_kn: NDArray[np.float64], size: int
) -> None:
    chosen = greedy_cover(lacks_kn, size)
    left = [lacks_kn[:, [0, *chosen[:number]]].min(axis=1).mean() for number in range(size + 1)]
    for number, _ in enumerate(chosen):
        others = [
            lacks_kn[:, [0, *chosen[:number], other]].min(axis=1).mean() for other in range(6)
        ]
        assert left[number + 1] == min(others)
    assert all(after < before for before, after in pairwise(left[: len(chosen) + 1]))


def test_the_shipped_portfolio_is_the_chosen_one() -> None:
    shipped = load_space("training").portfolio
    assert [dict(each) for each in shipped] == [shares(number) for number in portfolio()]


def test_a_portfolio_without_a_data_set_knows_nothing_of_its_tables() -> None:
    assert portfolio("kuairand") != portfolio()


@pytest.mark.parametrize("name", ["mmoe", "shared_bottom"])
def test_what_is_carried_over_is_of_another_data_set_and_in_the_ranges(name: str) -> None:
    tables: list[Table] = [
        recorded_table(task, arm)
        for task, arm in recorded()
        if arm == name and task in {"kuairand_statistics", "movielens_100_000"}
    ]
    for table in tables:
        carried = carried_from_another(table)
        assert len(carried) == 3
        for values in carried:
            for parameter in table.parameters:
                if parameter.name in values and parameter.kind != "categorical":
                    assert parameter.low <= values[parameter.name] <= parameter.high
