"""Session state: visits that go on in later rows have the inputs of one table."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from hinet_search.common.errors import DataError
from hinet_search.data.derived.moments import NO_TIME
from hinet_search.data.derived.session_state import (
    rolled_sessions,
    session_state_of,
    sessions_after,
)
from hinet_search.data.derived.sessions import session_inputs
from tests.data.event_tables import in_time, one_split, part, parts


@pytest.mark.parametrize(("most", "seeds"), [(1, range(60)), (6, range(60, 200))])
def test_rows_that_come_in_parts_have_the_inputs_of_one_table(most: int, seeds: range) -> None:
    for seed in seeds:
        log = one_split(seed)
        expected = session_inputs(log.session, log.rows, "user", log.moments).to_numpy()
        found = expected.copy()
        first, *others = parts(log, np.random.default_rng(seed), most)
        rows, moments = part(log, first)
        state = session_state_of(log.session, rows, "user", moments)
        for row_P in others:
            found[row_P] = sessions_after(state, *part(log, row_P)).to_numpy()
            state = rolled_sessions(state, *part(log, row_P))
        assert_array_equal(found, expected, err_msg=f"seed {seed}")


def test_rows_from_before_the_last_one_of_their_user_are_refused() -> None:
    log = one_split(2)
    order_R = in_time(log)
    rows, moments = part(log, order_R)
    state = session_state_of(log.session, rows, "user", moments)
    users = log.rows.frame["user"].to_list()
    timed = [
        row
        for row in order_R
        if log.moments.time_R[row] != NO_TIME and users[row] == users[order_R[-1]]
    ]
    with pytest.raises(DataError, match="got 1 row from before the last row of the same user"):
        sessions_after(state, *part(log, np.array(timed[:1])))
