"""Stale inputs: what rows of test have if the log ends with validation, or labels come later."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from tables import definition, prepared, shop, write

from hinet_search.data.derived.events import event_inputs
from hinet_search.data.derived.inputs import DerivedNumbers, derive_numbers
from hinet_search.data.derived.sessions import session_inputs
from hinet_search.data.rows import read_rows
from tests.data.event_tables import TASKS, TEST, VALID, RandomLog, part, random_log

COLUMNS: dict[str, Any] = {"categorical": ["user", "item"]}
EVENTS: dict[str, Any] = {"by": ["user"], "labels_after": "0s", "windows": ["60s", "all"]}


def inputs_of(log: RandomLog, last_seen: int = TEST) -> np.ndarray:
    seen = {"last_seen": last_seen}
    of_events = event_inputs(log.events, log.rows, TASKS, log.moments, **seen)
    of_session = session_inputs(log.session, log.rows, "user", log.moments, **seen)
    return np.concatenate([of_events.to_numpy(), of_session.to_numpy()], axis=1)


def test_a_row_of_test_sees_the_log_that_ends_with_validation_as_if_it_were_the_only_one() -> None:
    num_tested = 0
    for seed in range(70):
        log = random_log(seed)
        frozen_RC = inputs_of(log, VALID)
        before = np.flatnonzero(log.rows.split_R < TEST)
        for row in np.flatnonzero(log.rows.split_R == TEST):
            rows, moments = part(log, np.append(before, row))
            alone_RC = inputs_of(replace(log, rows=rows, moments=moments))
            assert_array_equal(frozen_RC[row], alone_RC[-1], err_msg=f"seed {seed}")
            num_tested += 1
    assert num_tested > 100


def test_rows_of_train_and_validation_have_what_they_had() -> None:
    for seed in range(50):
        log = random_log(seed)
        is_before_R = log.rows.split_R < TEST
        assert_array_equal(inputs_of(log, VALID)[is_before_R], inputs_of(log)[is_before_R])


def derived(folder: Path, **features: Any) -> DerivedNumbers:
    """The derived numbers of the shop, with a row every ten minutes."""
    write(shop().with_columns(pl.col("minute") * 600), folder)
    keys = definition(features={**COLUMNS, **features}, time_unit="s")
    return derive_numbers(keys, read_rows(keys, folder, folder / "cache"))


@pytest.mark.parametrize(("known", "later"), [("0s", "1h"), ("59m", "1h"), ("1h", "1d")])
def test_labels_may_come_an_hour_or_a_day_after_their_row(
    tmp_path: Path, known: str, later: str
) -> None:
    early = derived(tmp_path, events={**EVENTS, "labels_after": known})
    late = derived(tmp_path, events={**EVENTS, "labels_after": later})
    assert early.stale["later"].equals(late.events)
    assert not early.events.equals(late.events)


@pytest.mark.parametrize("known", ["1d", "2d", "never"])
def test_labels_of_a_day_ago_are_not_tried_later(tmp_path: Path, known: str) -> None:
    assert set(derived(tmp_path, events={**EVENTS, "labels_after": known}).stale) == {"frozen"}


def test_a_log_and_statistics_are_frozen_together(tmp_path: Path) -> None:
    statistics = {"by": ["user"], "clock": "minute", "refresh": "day"}
    both = derived(tmp_path, statistics=statistics, session={"gap": "1h"})
    frozen = both.stale["frozen"]
    assert frozen.columns == [*both.statistics.columns, *both.session.columns]
    assert not frozen.select(both.session.columns).equals(both.session)


def test_nothing_is_stale_where_nothing_is_fresh(tmp_path: Path) -> None:
    statistics = {"by": ["user"], "clock": "minute"}
    assert derived(tmp_path, statistics=statistics).stale == {}


def test_rows_of_test_are_encoded_with_each(tmp_path: Path) -> None:
    features = {**COLUMNS, "events": EVENTS}
    dataset = prepared(shop(), tmp_path, features=features, time_unit="s")
    assert set(dataset.stale_test) == {"frozen", "later"}
    assert dataset.record.later_labels == "1h"
    assert dataset.record.freshness == "the log goes up to each row, and labels are known at once"
    for stale in dataset.stale_test.values():
        assert stale.numeric_RN.shape == dataset.test.numeric_RN.shape
        assert_array_equal(stale.ids_RF, dataset.test.ids_RF)
        assert (stale.numeric_RN != dataset.test.numeric_RN).any()


SEEN = {"of": "user", "items": ["item"], "labels": ["click"], "length": 4, "labels_after": "0s"}


def test_sequences_are_stale_too(tmp_path: Path) -> None:
    """Labels of the last hour are not known, and with a frozen log no row of test is shown."""
    frame = shop().with_columns(pl.col("minute") * 600)
    features = {**COLUMNS, "sequences": {"seen": SEEN}}
    dataset = prepared(frame, tmp_path, features=features, time_unit="s")
    later = {**SEEN, "labels_after": "1h"}
    known_later = prepared(
        frame, tmp_path, features={**COLUMNS, "sequences": {"seen": later}}, time_unit="s"
    )
    assert_array_equal(dataset.stale_test["later"].lists_RS, known_later.test.lists_RS)
    assert (dataset.test.lists_RS != known_later.test.lists_RS).any()
    frozen_RPL = dataset.stale_test["frozen"].lists_RS.reshape(dataset.test.num_rows, 3, 4)
    last_valid = frame.filter(pl.col("part") == "valid")["minute"].max()
    assert last_valid is not None
    since = frame.filter(pl.col("part") == "test")["minute"] - last_valid
    least = np.floor(np.log2(1 + since.to_numpy())) + 1  # the gap to the last row of validation
    gap_R = frozen_RPL[:, 2, 0]
    assert (gap_R[gap_R > 0] >= least[gap_R > 0]).all()


def test_the_first_later_time_at_which_labels_are_known_is_tried(tmp_path: Path) -> None:
    sequences = {"seen": {**SEEN, "labels_after": "2h"}}
    both = derived(tmp_path, events={**EVENTS, "labels_after": "1h"}, sequences=sequences)
    assert set(both.stale) == {"frozen", "later"}
    frame = shop().with_columns(pl.col("minute") * 600)
    features = {**COLUMNS, "sequences": sequences}
    assert prepared(frame, tmp_path, features=features, time_unit="s").record.later_labels == "1d"
