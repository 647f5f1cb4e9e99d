"""An exported folder that no study has trained: every kind of input, and random weights, in a fraction of a second."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import cast

import numpy as np
import polars as pl
import torch

from hinet_search.data.derived.inputs import fit_list_vocabularies
from hinet_search.data.derived.matches import known_of, match_numbers
from hinet_search.data.derived.statistics import statistic_names, target_statistics
from hinet_search.data.encode import TrainingRows, fit_encoding
from hinet_search.data.lists import with_numbered_lists
from hinet_search.data.rows import Rows, distinct_by_scenario
from hinet_search.results.cells import has_task
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.history import History
from hinet_search.serving.inputs import Inputs, ScenarioInput
from hinet_search.serving.log_rows import log_of_study
from hinet_search.serving.model_file import FORMAT, ModelFile, ModelOfFile, WeightedSeed
from hinet_search.serving.model_folder import CARD, write_config, write_tables
from hinet_search.serving.row_checks import raw_types
from hinet_search.serving.sealed import seal
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.feature_definition import FeatureDefinition
from hinet_search.study.task_definition import TaskDefinition
from hinet_search.training.tensors import save_tensors
from hinet_search.training.trial_config import whole_config

SCENARIOS = {"1": "Home", "2": "Push", "3": "Cart"}
TASKS = ("click", "buy")
COLUMNS = {"click": "clicked", "buy": "bought"}  # of labels
PLAIN = {"categorical": ["user", "item"], "numeric": ["price", "age"]}
SUMMER_ENDS = datetime(2026, 10, 25, 0, tzinfo=UTC)  # 2 to 3 am are twice in Berlin
IDS_ONLY = {"categorical": ["user", "item"]}
EVERYTHING = {
    "categorical": ["user", "item", "shelf", "is_new", "weight", "ratio", "born", "seen"],
    "numeric": ["price", "age", "income", "hour", "rank"],
    "transforms": {"income": "log", "hour": {"cycle": 24}, "rank": "quantile"},
    "clip": {"price": [0, 150]},
    "distinct_by_scenario": ["shelf"],
    "lists": {
        "genres": {"column": "genres", "separator": "|", "length": 2},
        "tags": {"column": "tags", "length": 3},
        "friends": {"column": "friends", "item": "user", "separator": ",", "length": 3},
    },
}
TIMED = {
    "categorical": ["user"],
    "numeric": ["price"],
    "statistics": {"by": ["user"], "clock": "told"},
}
COUNTED = {
    "categorical": ["user"],
    "numeric": ["price"],
    "statistics": {"by": ["user", ["user", "item"]], "clock": "minute", "day_length": 100},
}

MATCHED = {
    "categorical": ["user", "item", "shelf", "born"],
    "numeric": ["price"],
    "statistics": {"by": ["user", "item"]},
    "lists": {
        "friends": {"column": "friends", "item": "user", "separator": ",", "pooled": False},
        "tags": {"column": "tags", "item": "user", "pooled": False},
    },
    "matches": {
        "lists": ["friends", "tags"],
        "by": ["user", "shelf", "born", "item"],
        "rates": {"friends": "tags"},
        "similarity": ["friends", "tags"],
        "factors": 3,
    },
}


def _moments(num_rows: int, first: datetime) -> pl.Series:
    """Moments of five distinct half hours."""
    return pl.Series([first + timedelta(minutes=30 * (row % 5)) for row in range(num_rows)])


def table(num_rows: int = 400, seed: int = 0) -> pl.DataFrame:
    """Rows with columns of every type, some values missing."""
    draw = np.random.default_rng(seed)
    user = draw.integers(0, 30, num_rows)
    minute = np.arange(num_rows)
    genres = ["Action|Drama", "Drama", "", " War | Drama|Action", None]
    frame = pl.DataFrame(
        {
            "place": draw.integers(1, 4, num_rows),
            "user": user,
            "item": [f"0{number}" for number in draw.integers(0, 12, num_rows)],
            "shelf": draw.integers(0, 5, num_rows).astype(np.int16),
            "is_new": draw.random(num_rows) < 0.5,
            "weight": draw.integers(0, 4, num_rows) / 2,
            "ratio": (draw.integers(1, 5, num_rows) / 10).astype(np.float32),
            "born": [date(1990, 1, 1) + timedelta(days=int(each % 9)) for each in user],
            "seen": _moments(num_rows, SUMMER_ENDS).cast(pl.Datetime("ms", "Europe/Berlin")),
            "told": _moments(num_rows, SUMMER_ENDS).cast(pl.Datetime("ns", "UTC")),
            "price": draw.normal(100, 20, num_rows).round(2),
            "age": draw.integers(18, 80, num_rows),
            "income": draw.lognormal(8, 1, num_rows),
            "hour": draw.integers(0, 24, num_rows),
            "rank": draw.exponential(5, num_rows),
            "genres": [genres[place] for place in draw.integers(0, len(genres), num_rows)],
            "tags": [draw.integers(0, 9, each % 5).tolist() for each in minute],
            "friends": [f"{each % 7}, {each % 11},none" for each in user],
            "minute": minute,
        }
    )
    with_holes = ("item", "shelf", "age", "income", "tags")
    return frame.with_columns(
        pl.when(pl.col("minute") % 13 > place).then(pl.col(name)).alias(name)
        for place, name in enumerate(with_holes)
    )


def write_export(
    folder: Path,
    features: Mapping[str, object] = PLAIN,
    *,
    model: str = "shared_bottom",
    not_finite: str = "refuse",
    seed: int = 0,
    absent_cells: tuple[tuple[str, str], ...] = (),
    amount_units: Mapping[str, float] = MappingProxyType({}),
    tasks: Mapping[str, TaskDefinition] | None = None,
) -> Path:
    """Write a folder as hinet-search export does; `seed` changes its weights.

    Labels of `tasks` are those of the columns `clicked` and `bought` unless they are given.
    """
    definition = FeatureDefinition.model_validate(features)
    units = {TASKS.index(task): unit for task, unit in amount_units.items()}
    rows = _rows(table(), definition, absent_cells, units)
    encoder = _encoder(rows, definition, not_finite)
    cells = {"absent_cells": absent_cells, "amount_units": dict(amount_units)}
    inputs = encoder.inputs.model_copy(update=cells)
    encoder = replace(encoder, inputs=inputs)
    config = whole_config(model, {"model": {}, "train": {}, "features": {}})
    torch.manual_seed(seed)
    built = config.build(encoder.schema_of(config.features))
    with torch.no_grad():
        for weight in built.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    kinds = {name: "amount" if name in amount_units else None for name in TASKS}
    made = {name: TaskDefinition(column=COLUMNS[name], kind=kinds[name]) for name in TASKS}
    folder.mkdir()
    save_tensors(built.state_dict(), folder / "weights.safetensors")
    write_tables(folder, encoder)
    finalist = ModelOfFile(
        arm=model,
        trial=0,
        model=model,
        settings=config.sections,
        seeds=(WeightedSeed(seed=seed, weight=1.0),),
    )
    write_config(
        folder,
        ModelFile(
            format=FORMAT,
            study="shop",
            name=model,
            scale="probabilities",
            models=(finalist,),
            inputs=encoder.inputs,
            data="0123456789abcdef",
            tasks=made if tasks is None else dict(tasks),
            versions={"hinet-search": "0.1.0"},
        ),
    )
    seal(folder)
    (folder / CARD).write_text("# shop", encoding="utf-8")
    return folder


def _rows(
    frame: pl.DataFrame,
    definition: FeatureDefinition,
    absent_cells: tuple[tuple[str, str], ...],
    units: Mapping[int, float],
) -> Rows:
    draw = np.random.default_rng(1)
    scenario_R = (frame["place"].to_numpy() - 1).astype(np.int16)
    listed = with_numbered_lists(frame, definition.lists.values(), frame.schema)
    num_rows, scenarios = len(frame), tuple(SCENARIOS.values())
    has_task_MT = has_task(scenarios, TASKS, absent_cells)
    labels_RT = draw.integers(0, 2, (num_rows, len(TASKS))) * has_task_MT[scenario_R]
    return Rows(
        frame=distinct_by_scenario(listed.frame, definition.distinct_by_scenario, scenario_R),
        row_R=np.arange(num_rows, dtype=np.uint64),
        scenarios=scenarios,
        scenario_R=scenario_R,
        labels_RT=labels_RT.astype(np.float32 if units else np.uint8),
        has_task_MT=has_task_MT,
        split_R=np.zeros(num_rows, dtype=np.uint8),
        truth_RT=None,
        notes=(),
        lists=listed.lists,
        units=units,
    )


def _encoder(rows: Rows, definition: FeatureDefinition, not_finite: str) -> Encoder:
    derived: tuple[str, ...] = ()
    matches, frame = None, rows.frame
    if definition.statistics is not None:
        derived = statistic_names(definition.statistics, TASKS)
        frame = frame.hstack(target_statistics(definition.statistics, rows, TASKS).get_columns())
    if definition.matches is not None:
        study = cast("DataDefinition", SimpleNamespace(features=definition, user="user"))
        matches = known_of(study, definition.matches, rows)
        numbers = match_numbers(matches, definition.matches, definition.lists, rows.listed)
        derived += tuple(numbers.columns)
        frame = frame.hstack(numbers.get_columns())
    is_train_R = np.ones(len(frame), dtype=np.bool_)
    encoding = fit_encoding(TrainingRows(frame), definition, 2, derived)
    own = fit_list_vocabularies(definition.lists, rows.listed, is_train_R, 2)
    encoding = replace(encoding, list_vocabularies=own)
    inputs = Inputs(
        scenario=ScenarioInput(column="place", values=SCENARIOS),
        tasks=TASKS,
        categorical=definition.categorical,
        numeric=definition.numeric,
        scales=encoding.scales,
        statistics=definition.statistics,
        lists=definition.lists,
        matches=definition.matches,
        distinct_by_scenario=definition.distinct_by_scenario,
        not_finite=not_finite,  # type: ignore[arg-type]  # one of its words
        keys=("place", "user"),
    )
    types = raw_types(inputs, table().schema)
    return Encoder(inputs, encoding, types, History(matches, log_of_study(inputs, types, rows)))
