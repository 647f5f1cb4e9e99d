"""Keys sorted on a device are in the order of numpy, and metrics are the same."""

from functools import partial

import numpy as np
import torch
from fake_models import CPU, DATA
from hypothesis import given
from hypothesis import strategies as st

from hinet_search.training.device import sort_on, sorted_on
from hinet_search.training.metrics import cell_values

DEVICE = torch.device("cuda", 0) if torch.cuda.is_available() else CPU


@given(st.lists(st.integers(0, 2**64 - 1), max_size=50))
def test_keys_of_any_64_bits_are_sorted_as_unsigned_numbers(keys: list[int]) -> None:
    key_R = np.array(keys, dtype=np.uint64)
    assert np.array_equal(sorted_on(DEVICE, key_R), np.sort(key_R))


def test_metrics_do_not_depend_on_where_their_keys_are_sorted() -> None:
    scores_RT = np.random.default_rng(0).normal(size=DATA.valid.labels_RT.shape).astype(np.float32)
    given_rows = scores_RT, DATA.valid, DATA.full_schema.cells
    assert cell_values(*given_rows, partial(sorted_on, DEVICE)) == cell_values(*given_rows)


def test_on_the_cpu_numpy_sorts() -> None:
    assert sort_on(CPU) is np.sort
