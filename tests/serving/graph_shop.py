"""A shop with lists and odd numbers, and the export of its model with an ONNX graph."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import polars as pl
import torch

import hinet_search as hs
from hinet_search.data.columns import Columns
from hinet_search.serving.model_folder import LoadedModel, open_folder
from hinet_search.serving.onnx_graph import graph_inputs
from hinet_search.serving.sealed import GRAPH
from tests.serving.shop import launch_shop, rows

STUDY = """\
data:
  source: {kind: table, path: shop.parquet}
  scenario: {column: place, values: {1: Home, 2: Push}}
  tasks: {click: {column: clicked}, buy: {column: bought, scenarios: [Home]}}
  features:
    categorical: [user, item, colour, shelf]
    numeric: [price, age, minute]
    clip: {price: [70, 130]}
    transforms: {price: quantile, age: log, minute: {cycle: 60}}
    lists:
      genres: {column: genres, separator: "|", length: 2}
      liked: {column: liked, item: item, length: 3}
      seen: {column: seen, item: shelf, separator: ",", length: 2}
    distinct_by_scenario: [user]
  split: {by: random, seed: 1, valid: 0.2, test: 0.2}
  minimum_frequency: 2
  not_finite: impute
arms: {shared_bottom: }
trials: 1
epochs: 1
finalists: {top: 1, seeds: 1}
fixed:
  train.batch_size: 128
  train.learning_rate: 0.02
  model.trunk.widths: [8]
  features.number_encodings.price: bins
  features.number_encodings.age: piecewise
slots: 1
device: cpu
"""
CPU = torch.device("cpu")


def table() -> pl.DataFrame:
    """The shop with shelves and lists, some of them unknown or missing, and odd numbers."""
    frame, draw = rows(600), np.random.default_rng(5)
    genres = ["Action|Drama", None, "", "||War", " Drama | War|Comedy|Action"]
    liked = [draw.choice(["a", "b", "z"], draw.integers(0, 5)).tolist() for _ in range(600)]
    seen = ["3,x, 1", " 007,,5,2", None, "2.0,4,1", "99999999999999999999,-1,6"]
    is_odd = pl.col("minute") % 13 == 0
    prices = pl.Series([np.nan, np.inf, -np.inf])
    return frame.with_columns(
        (pl.col("minute") % 9).alias("shelf"),
        pl.when(is_odd).then(prices.gather(frame["minute"] % 3)).otherwise("price").alias("price"),
        pl.when(is_odd).then(1e39).otherwise("age").alias("age"),
        pl.Series("genres", [genres[number % 5] for number in range(600)]),
        pl.Series("seen", [seen[number % 5] for number in range(600)]),
        pl.Series("liked", liked, dtype=pl.List(pl.String)),
    )


@dataclass(frozen=True)
class Written:
    """An export with a graph, opened again, with test rows as they are and encoded."""

    export: hs.Export
    exported: LoadedModel
    raw: pl.DataFrame
    columns: Columns

    @property
    def folder(self) -> Path:
        return self.export.folder


def export_shop(folder: Path, text: str = STUDY) -> Written:
    """Launch the study in a folder, and export its arm with a graph."""
    study = str(launch_shop(folder, table(), text).study)
    to, output = folder / "model", folder / "out"
    export = hs.export(study, to, arm="shared_bottom", onnx=True, output=output)
    exported = open_folder(export.folder, CPU)
    raw = table().filter(pl.col("place") <= 2)
    return Written(export, exported, raw, exported.encode(raw))


def graph_scores(folder: Path, columns: Columns) -> np.ndarray:
    """What the graph of a folder gives of encoded rows (R, T)."""
    session = onnxruntime.InferenceSession(folder / GRAPH, providers=["CPUExecutionProvider"])
    return session.run(None, graph_inputs(columns))[0]
