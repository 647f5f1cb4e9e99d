"""Number counts: which numbers are far from those of training."""

import numpy as np
import pytest

from hinet_search.serving.drift import FAR, added, count_numbers
from hinet_search.serving.profile import Distribution, Profile

PROFILE = Profile(
    rows=100,
    scenarios={"Home": 1.0},
    numeric={
        "age": Distribution(values=(-2.0, 0.0, 1.0, 3.0), shares=(0.1, 0.4, 0.8, 1.0)),
        "price": Distribution(values=(0.0, 5.0), shares=(0.5, 1.0)),
    },
    valid_rows=50,
    without_id={},
    tasks={},
)


@pytest.mark.parametrize(
    ("age", "is_far"),
    [(-3.5, True), (-2 - FAR, False), (0.5, False), (2.5, False), (3 + FAR, False), (4.5, True)],
)
def test_a_number_is_far_beyond_the_smallest_and_the_largest_of_training(
    age: float, *, is_far: bool
) -> None:
    counts = count_numbers(PROFILE, ("age", "price"), np.array([[age, 1.0]], dtype=np.float32))
    assert dict(counts.far) == {"age": int(is_far), "price": 0}


def test_blocks_of_rows_count_as_one_table() -> None:
    number_RN = np.array([[-9, 1], [0, 7], [1, 0], [9, 9]], dtype=np.float32)
    blocks = [count_numbers(PROFILE, ("age", "price"), part) for part in np.split(number_RN, 2)]
    counts = added(blocks)
    assert dict(counts.far) == {"age": 2, "price": 2}
    assert counts.share_at_most("age").tolist() == [0.25, 0.5, 0.75, 0.75]
