"""An exported folder that no study has trained, with random weights, in a fraction of a second."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import polars as pl
import torch

from hinet_search.data.encode import TrainingRows, fit_encoding
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.encoding_folder import write_tables
from hinet_search.serving.inputs import Inputs, ScenarioInput
from hinet_search.serving.model_file import (
    CARD,
    ENCODING,
    FORMAT,
    ModelFile,
    ModelOfFile,
    WeightedSeed,
    write_config,
)
from hinet_search.serving.row_checks import raw_types
from hinet_search.serving.sealed import seal
from hinet_search.study.feature_definition import FeatureDefinition
from hinet_search.study.task_definition import TaskDefinition
from hinet_search.training.tensors import save_tensors
from hinet_search.training.trial_config import whole_config

SCENARIOS = {"1": "Home", "2": "Push", "3": "Cart"}
TASKS = ("click", "buy")
COLUMNS = {"click": "clicked", "buy": "bought"}  # of labels
MODEL = "shared_bottom"


def table(num_rows: int = 400, seed: int = 0) -> pl.DataFrame:
    """Rows of which some items and ages are missing."""
    draw = np.random.default_rng(seed)
    minute = np.arange(num_rows)
    frame = pl.DataFrame(
        {
            "place": draw.integers(1, 4, num_rows),
            "user": draw.integers(0, 30, num_rows),
            "item": [f"0{number}" for number in draw.integers(0, 12, num_rows)],
            "price": draw.normal(100, 20, num_rows).round(2),
            "age": draw.integers(18, 80, num_rows),
            "minute": minute,
        }
    )
    return frame.with_columns(
        pl.when(pl.col("minute") % 13 > place).then(pl.col(name)).alias(name)
        for place, name in enumerate(("item", "age"))
    )


def write_export(
    folder: Path,
    *,
    absent_cells: tuple[tuple[str, str], ...] = (),
    amount_units: Mapping[str, float] = MappingProxyType({}),
    tasks: Mapping[str, TaskDefinition] | None = None,
) -> Path:
    """Write a folder as hinet-search export does.

    Labels of `tasks` are those of the columns `clicked` and `bought` unless they are given.
    """
    features = FeatureDefinition(categorical=("user", "item"), numeric=("price", "age"))
    encoding = fit_encoding(TrainingRows(table()), features, 2)
    inputs = Inputs(
        scenario=ScenarioInput(column="place", values=SCENARIOS),
        tasks=TASKS,
        categorical=features.categorical,
        numeric=features.numeric,
        scales=encoding.scales,
        lists={},
        not_finite="refuse",
        keys=("place", "user"),
        absent_cells=absent_cells,
        amount_units=dict(amount_units),
    )
    encoder = Encoder(inputs, encoding, raw_types(inputs, table().schema))
    config = whole_config(MODEL, {"model": {}, "train": {}, "features": {}})
    torch.manual_seed(0)
    built = config.build(encoder.schema_of(config.features))
    with torch.no_grad():
        for weight in built.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    kinds = {name: "amount" if name in amount_units else None for name in TASKS}
    made = {name: TaskDefinition(column=COLUMNS[name], kind=kinds[name]) for name in TASKS}
    folder.mkdir()
    save_tensors(built.state_dict(), folder / "weights.safetensors")
    write_tables(folder / ENCODING, encoder)
    finalist = ModelOfFile(
        arm=MODEL,
        trial=0,
        model=MODEL,
        settings=config.sections,
        seeds=(WeightedSeed(seed=0, weight=1.0),),
    )
    file = ModelFile(
        format=FORMAT,
        study="shop",
        name=MODEL,
        scale="probabilities",
        models=(finalist,),
        inputs=inputs,
        data="0123456789abcdef",
        tasks=made if tasks is None else dict(tasks),
        versions={"hinet-search": "0.1.0"},
    )
    write_config(folder, file)
    seal(folder)
    (folder / CARD).write_text("# shop", encoding="utf-8")
    return folder
