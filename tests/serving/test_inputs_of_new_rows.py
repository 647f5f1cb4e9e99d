"""New rows have the inputs of training, bit for bit: rows of test that are scored with the log of an export."""

from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_array_equal

from hinet_search.data.derived.event_log import moments_of
from hinet_search.data.derived.inputs import derive_numbers
from hinet_search.data.derived.rank_groups import with_rank_groups
from hinet_search.data.derived.sequences import encode_sequences
from hinet_search.data.encode import COUNT, VALUE, Vocabulary
from hinet_search.data.rows import Rows, distinct_by_scenario, read_rows
from hinet_search.serving.encoding_folder import LOG, _Tables
from hinet_search.serving.inputs import Inputs, ScenarioInput
from hinet_search.serving.log_rows import (
    SeenInputs,
    is_in_log,
    log_of_study,
    rows_after,
    seen_inputs,
)
from hinet_search.serving.row_checks import cast_rows, raw_types
from hinet_search.serving.tables import widened
from hinet_search.study.data_definition import DataDefinition

TEST = 2
Words = dict[str, Vocabulary]
FIRST = datetime(2026, 3, 1)  # noqa: DTZ001  a column without a time zone
BY = {"by": ["user", ["user", "item"], "place"]}
WINDOWS = {"windows": ["1h", "all"], "last": 2}
SEEN = {"of": "user", "items": ["item"], "labels": ["click"], "length": 4}
KINDS: dict[str, dict[str, Any]] = {
    "statistics without a clock": {"statistics": BY},
    "statistics of the export": {"statistics": BY | {"clock": "shown", "refresh": "never"}},
    "statistics of every day": {"statistics": BY | {"clock": "shown", "refresh": "day"}},
    "statistics of the day before": {
        "statistics": BY
        | {"clock": "shown", "refresh": "day", "labels_after": "1d", "half_life": "36h"}
    },
    "statistics of every hour": {
        "statistics": BY | {"clock": "shown", "refresh": "hour", "half_life": "1h"}
    },
    "events at once": {"events": BY | WINDOWS | {"labels_after": "0s", "half_life": "30m"}},
    "events after an hour": {"events": BY | WINDOWS | {"labels_after": "1h"}},
    "events after a day": {"events": BY | WINDOWS | {"labels_after": "1d"}},
    "events without labels": {"events": BY | {"windows": ["1h", "all"], "labels_after": "never"}},
    "sessions": {"session": {"gap": "40m"}},
    "sequences at once": {"sequences": {"seen": SEEN | {"labels_after": "0s"}}},
    "sequences after an hour": {"sequences": {"seen": SEEN | {"labels_after": "1h"}}},
    "ids of their scenario": {
        "events": BY | WINDOWS | {"labels_after": "10m"},
        "statistics": BY | {"clock": "shown", "refresh": "day"},
        "distinct_by_scenario": ["item"],
    },
}
LOGGED = {
    "events": BY | WINDOWS | {"labels_after": "10m", "half_life": "2h"},
    "session": {"gap": "40m"},
    "sequences": {"seen": SEEN | {"labels_after": "1h"}},
    "statistics": BY | {"clock": "shown", "refresh": "day"},
}
RANKS: dict[str, dict[str, Any]] = {
    "visits": {"visit": "40m"},
    "users in a place": {"group": ["user", "place"]},
    "items in a place": {"group": ["item", "place"]},
}
KINDS |= {f"as of {name}": LOGGED | {"rank": rank} for name, rank in RANKS.items()}
KINDS["days as of visits"] = {"statistics": LOGGED["statistics"], "rank": RANKS["visits"]}


def shop() -> pl.DataFrame:
    """Rows of eight days in no order: many of one moment, some without a user or an item."""
    draw = np.random.default_rng(1)
    num_rows = 900
    minutes = draw.integers(0, 8 * 24 * 6, num_rows) * 10
    user = draw.integers(0, 12, num_rows)
    return pl.DataFrame(
        {
            "place": draw.choice([1, 2, 3], num_rows),
            "user": pl.Series(np.where(user, user, -1), dtype=pl.Int16),
            "item": draw.choice([*"abcdef"], num_rows),
            "shown": [FIRST + timedelta(minutes=int(each)) for each in minutes],
            "clicked": draw.integers(0, 2, num_rows),
            "bought": draw.integers(0, 2, num_rows),
        }
    ).with_columns(
        user=pl.when(pl.col("user") >= 0).then("user"),
        item=pl.when(pl.int_range(pl.len()) % 17 > 0).then("item"),
    )


def definition_of(kind: dict[str, Any]) -> DataDefinition:
    features = {name: value for name, value in kind.items() if name != "rank"}
    return DataDefinition.model_validate(
        {
            "source": {"kind": "table", "path": "shop.parquet"},
            "scenario": {"column": "place", "values": {1: "Home", 2: "Push"}},
            "tasks": {
                "click": {"column": "clicked"},
                "buy": {"column": "bought", "scenarios": ["Push"]},
            },
            "user": "user",
            "item": "item",
            "time": "shown",
            "rank": kind.get("rank"),
            "features": {"categorical": ["user", "item"], **features},
            "split": {"by": "time", "valid_from": "2026-03-05", "test_from": "2026-03-07"},
        }
    )


def inputs_of(definition: DataDefinition) -> Inputs:
    """What an export says of a definition, as far as the log needs it."""
    features = definition.features
    follows_log = features.events or features.session or features.sequences or definition.rank
    return Inputs.model_construct(
        scenario=ScenarioInput(column="place", values={"1": "Home", "2": "Push"}),
        tasks=("click", "buy"),
        categorical=("user", "item"),
        numeric=(),
        scales=(),
        lists={},
        statistics=features.statistics,
        time="shown" if follows_log else None,
        events=features.events,
        session=features.session,
        user="user" if features.session or definition.rank else None,
        rank=definition.rank,
        sequences=features.sequences,
        distinct_by_scenario=features.distinct_by_scenario,
        absent_cells=(("Home", "buy"),),
    )


def vocabularies(items: pl.Series) -> Words:
    known = items.drop_nulls().unique().sort()
    counts = pl.Series(COUNT, [1] * len(known), dtype=pl.UInt32)
    return {"item": Vocabulary("item", pl.DataFrame([known.alias(VALUE), counts]))}


def as_numbers(seen: SeenInputs, is_chosen_R: np.ndarray | None = None) -> np.ndarray:
    if not seen.numbers.width:
        return np.zeros(0)
    numbers = seen.numbers.to_numpy()
    return numbers if is_chosen_R is None else numbers[is_chosen_R]


def of_training(definition: DataDefinition, rows: Rows, words: Words) -> SeenInputs:
    """The inputs of all rows, as a study derives them."""
    rows = with_rank_groups(definition, rows)
    derived = derive_numbers(definition, rows)
    tables = [*derived.values()]
    numbers = pl.concat(tables, how="horizontal") if tables else pl.DataFrame()
    slots: tuple[np.ndarray, ...] = ()
    sequences = definition.features.sequences
    if sequences:
        moments = moments_of(definition, rows)
        slots = encode_sequences(sequences, rows, tuple(definition.tasks), moments, words)
    return SeenInputs(numbers, slots)


def written_and_read(
    inputs: Inputs, types: dict[str, pl.DataType], rows: Rows, at: Path
) -> pl.DataFrame:
    """The log of an export of these rows."""
    made = log_of_study(inputs, types, rows)
    assert made is not None
    made.write_parquet(at / f"{LOG}.parquet")
    return _Tables(at, inputs, inputs.encoded_types(types)).log()


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_test_have_the_inputs_of_training(kind: str, tmp_path: Path) -> None:
    shop().write_parquet(tmp_path / "shop.parquet")
    definition = definition_of(KINDS[kind])
    distinct = definition.features.distinct_by_scenario
    rows = read_rows(definition, tmp_path, tmp_path).with_distinct_ids(distinct)
    is_test_R = rows.split_R == TEST
    words = vocabularies(rows.frame["item"])
    expected = of_training(definition, rows, words)
    inputs = inputs_of(definition)
    wide = {name: widened(dtype) for name, dtype in raw_types(inputs, shop().schema).items()}
    log = written_and_read(inputs, wide, rows, tmp_path)

    raw = shop()[rows.row_R[is_test_R]].select(inputs.columns)
    scenario_R = rows.scenario_R[is_test_R]
    frame = cast_rows(inputs, raw.lazy(), wide).collect()
    frame = distinct_by_scenario(frame, distinct, scenario_R)
    newer = rows_after(inputs, log, frame, scenario_R, rows.labels_RT[is_test_R])
    before = log.filter(pl.col("split") < TEST)
    for seen_log in (log, pl.concat([before, newer])):
        asking = rows_after(inputs, seen_log, frame, scenario_R)
        seen = seen_inputs(inputs, words, seen_log, asking)
        assert_array_equal(as_numbers(seen), as_numbers(expected, is_test_R))
        for found, of_all in zip(seen.sequences, expected.sequences, strict=True):
            assert_array_equal(found, of_all[is_test_R])


def test_a_row_of_a_later_day_or_a_later_moment_is_newer_than_the_log() -> None:
    statistics = definition_of({"statistics": {"by": ["user"], "clock": "day"}}).features.statistics
    inputs = SimpleNamespace(
        time="at", statistics=statistics, clock="day", columns_of_log=("at", "day")
    )
    log = pl.DataFrame({"key 0": [50, 90], "key 1": [1, 2]})
    newer = pl.DataFrame(
        {"key 0": [90, 91, 80, None, None, None], "key 1": [2, 2, 3, 2, 3, None]},
        schema={"key 0": pl.Int64, "key 1": pl.Int64},
    )
    expected = [True, False, False, True, False, False]
    assert is_in_log(inputs, log, newer).tolist() == expected  # type: ignore[arg-type]
