"""Made tables: random tables as teams have them, a different one for every seed.

Scenarios of unlike size, some of which begin late or end early; labels that are common, rare,
missing somewhere, or of yes and no; a time, a split or neither; ids, codes, amounts and gaps.
"""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

BEGUN = datetime(2026, 5, 1)  # noqa: DTZ001  exports have no zone
LABELS = ("is_click", "ordered", "finished", "like", "y", "watch_seconds", "is_new")
Draw = np.random.Generator


def made_table(seed: int) -> pl.DataFrame:
    """A table of 200 to 3,000 rows."""
    draw = np.random.default_rng(seed)
    rows = int(draw.integers(200, 3_000))
    moment_R = np.sort(draw.random(rows))  # of the rows, from 0 to 1
    scenario_R = _scenarios(draw, moment_R)
    score_R = draw.normal(size=rows)
    columns: dict[str, object] = {"channel": [f"s{number}" for number in scenario_R]}
    if draw.random() < 0.3:
        columns["channel"] = scenario_R
    for name in draw.permutation(LABELS)[: draw.integers(1, 4)].tolist():
        columns[name] = _label(draw, name, score_R, scenario_R)
    columns |= _times(draw, moment_R)
    columns |= _features(draw, score_R)
    order = draw.permutation(rows) if draw.random() < 0.5 else np.arange(rows)
    names = draw.permutation(list(columns)).tolist()
    return pl.DataFrame({name: columns[name] for name in names}, strict=False)[order]


def _scenarios(draw: Draw, moment_R: NDArray[np.float64]) -> NDArray[np.int64]:
    """Codes of unlike frequency; some occur only before or after a moment."""
    count = int(draw.integers(1, 9))
    share_M = draw.dirichlet(np.full(count, draw.choice([0.3, 2.0])))
    scenario_R = draw.choice(count, moment_R.size, p=share_M)
    for scenario in range(1, count):
        bound = draw.choice([0.2, 0.5, 0.8])
        if draw.random() < 0.4:
            is_early = draw.random() < 0.5
            is_out_R = moment_R > bound if is_early else moment_R < bound
            scenario_R[(scenario_R == scenario) & is_out_R] = 0
    return scenario_R


def _label(
    draw: Draw, name: str, score_R: NDArray[np.float64], scenario_R: NDArray[np.int64]
) -> object:
    """Labels of which some are rare, one-sided in a scenario, amounts, words, or missing there."""
    threshold = draw.choice([0.0, 1.0, 2.0, 3.0])
    label_R = (score_R + draw.normal(size=score_R.size) > threshold).astype(np.int64)
    if draw.random() < 0.3:
        label_R[scenario_R == scenario_R.max()] = draw.integers(0, 2)
    if name == "watch_seconds":
        return np.round(label_R * draw.gamma(2.0, 10.0, label_R.size), 1)
    if draw.random() < 0.2:
        return np.where(label_R == 1, "yes", "no")
    values = label_R.tolist()
    if draw.random() < 0.2:
        absent = int(draw.integers(0, scenario_R.max() + 1))
        return [
            None if scenario == absent else value
            for value, scenario in zip(values, scenario_R.tolist(), strict=True)
        ]
    return values


def _times(draw: Draw, moment_R: NDArray[np.float64]) -> dict[str, object]:
    """A time as datetimes, dates or seconds, a split, both or neither."""
    columns: dict[str, object] = {}
    days = int(draw.integers(1, 20))
    seconds = [int(moment * days * 86_400) for moment in moment_R]
    kind = draw.choice(["datetime", "date", "seconds", "none", "none"])
    if kind == "datetime":
        columns["shown_at"] = [BEGUN + timedelta(seconds=second) for second in seconds]
    if kind == "date":
        columns["day"] = [(BEGUN + timedelta(seconds=second)).date() for second in seconds]
    if kind == "seconds":
        columns["timestamp"] = [1_777_000_000 + second for second in seconds]
    if draw.random() < 0.25:
        columns["split"] = draw.choice(["train", "valid", "test"], moment_R.size, p=[0.8, 0.1, 0.1])
    return columns


def _features(draw: Draw, score_R: NDArray[np.float64]) -> dict[str, object]:
    rows = score_R.size
    ids: dict[str, object] = {
        "user_id": draw.integers(0, max(rows // 8, 2), rows),
        "item_id": [f"i{number}" for number in draw.integers(0, 50, rows)],
        "city": draw.choice(["a", "b", "c", "d"], rows),
    }
    numbers: dict[str, object] = {
        "price": np.round(draw.gamma(2.0, 20.0, rows), 2) + score_R,
        "age": [None if draw.random() < 0.1 else int(value) for value in draw.normal(40, 9, rows)],
        "is_member": draw.integers(0, 2, rows),
        "scroll_depth": score_R + draw.normal(0, draw.choice([0.1, 1.0]), rows),
        "one": np.ones(rows),
    }
    columns = {**ids, **numbers}
    chosen = draw.permutation(list(columns))[: draw.integers(1, len(columns) + 1)]
    return {name: columns[name] for name in chosen.tolist()}
