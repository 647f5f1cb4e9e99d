"""Serving speed: requests of 100 candidates of one user in one scenario, on one core.

A HiNet of six scenarios with its default sizes and random weights scores the fields of `work.py`
(`--model` names other models, or `all`; trees learn from few rows). `predict` is its path in one
process: raw rows are encoded, then scored by the model. The graphs take encoded rows; those of
format aoti need a C++ compiler, and up to a minute to be compiled. All take turns, request by
request, so that a ratio compares what ran under the same load; times are of the processor. All must
agree to 1e-5.
Shape legend: R rows.
"""

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ["POLARS_MAX_THREADS"] = "1"  # Polars reads it when it is imported

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from hinet_search.common.plugins import load, names
from hinet_search.data.columns import Columns
from hinet_search.data.encode import COUNT, VALUE, Encoding, Scale, Vocabulary
from hinet_search.models.trees import Model as Trees
from hinet_search.serving.compiled.program import program_of
from hinet_search.serving.compiled.run import FORMATS, encoded
from hinet_search.serving.compiled.scoring import ScenarioScoring
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.history import History
from hinet_search.serving.inputs import PROBABILITIES, Inputs, ScenarioInput
from hinet_search.serving.model_file import ModelFile, ModelOfFile, StudyRows, WeightedSeed
from hinet_search.serving.model_folder import ExportedMember, ExportedModel
from hinet_search.serving.predict import predictions
from hinet_search.serving.profile import Distribution, Profile
from hinet_search.serving.row_checks import raw_types
from hinet_search.study.load_study import MODELS
from hinet_search.training.seeding import seeded_model
from hinet_search.training.trainable import trainable
from hinet_search.training.trial_config import TrialConfig, build_config
from layout import aligned
from work import SCHEMA, draw_rows

MODEL, ALL = "hinet", "all"
SEED, SCENARIO, CANDIDATES = 0, 0, 100
TREES, TREE_ROWS = {"trees": {"model.max_rounds": 50}}, 5_000
TOLERANCE = 1e-5
FULL, QUICK = 1_000, 200  # requests
CPU = torch.device("cpu")


@dataclass(frozen=True)
class ServingFigure:
    """Milliseconds per request of each way, and its rows a second relative to `predict`."""

    way: str
    median: float
    p99: float
    rows_per_second: float
    ratio: float
    difference: float  # the largest of a probability, to those of `predict`


def make_exported(name: str = MODEL) -> ExportedModel:
    """A model as an export opens it."""
    config = build_config(name, TREES.get(name, {}))
    encoder = _make_encoder()
    model = seeded_model(lambda: config.build(encoder.schema), SEED)
    if isinstance(model, Trees):
        list(model.stages(draw_rows(TREE_ROWS, SEED), seed=SEED))
    chosen = encoder.chosen(config.features)
    member = ExportedMember(SEED, 1.0, chosen, trainable(model, encoder.schema, CPU))
    profile = _profile(encoder)
    return ExportedModel(Path(), _file(config, encoder), encoder, (member,), CPU, profile)


def _profile(encoder: Encoder) -> Profile:
    names = encoder.inputs.scenario.names
    known = Distribution(values=(-9.0, 9.0), shares=(0.0, 1.0))
    return Profile(
        rows=1,
        scenarios=dict.fromkeys(names, 1 / len(names)),
        numeric=dict.fromkeys(encoder.encoding.numeric_inputs, known),
        valid_rows=1,
        without_id=dict.fromkeys(encoder.inputs.categorical, 0.0),
        tasks={},
    )


def _make_encoder() -> Encoder:
    scales = tuple(Scale(name, 0.0, 1.0, flagged=False) for name in SCHEMA.numeric)
    inputs = Inputs(
        scenario=ScenarioInput(
            column="scenario",
            values={str(number): name for number, name in enumerate(SCHEMA.scenarios)},
        ),
        tasks=SCHEMA.tasks,
        categorical=SCHEMA.categorical,
        numeric=SCHEMA.numeric,
        scales=scales,
        lists={},
        not_finite="refuse",
        keys=(),
    )
    vocabularies = tuple(
        _vocabulary(name, size)
        for name, size in zip(SCHEMA.categorical, SCHEMA.vocabulary_sizes, strict=True)
    )
    types = raw_types(inputs, raw_rows(draw_rows(1, SEED)).schema)
    return Encoder(inputs, Encoding(vocabularies, scales), types, History())


def _vocabulary(name: str, size: int) -> Vocabulary:
    values = pl.Series(VALUE, np.arange(1, size))
    return Vocabulary(name, pl.DataFrame([values, (size - values).cast(pl.UInt32).alias(COUNT)]))


def _file(config: TrialConfig, encoder: Encoder) -> ModelFile:
    model = ModelOfFile(
        arm=config.model_name,
        trial=0,
        model=config.model_name,
        settings=config.sections,
        seeds=(WeightedSeed(seed=SEED, weight=1.0),),
    )
    return ModelFile(
        format=2,
        study="benchmark",
        name=config.model_name,
        scale="probabilities",
        models=(model,),
        inputs=encoder.inputs,
        data="benchmark",
        versions={},
        rows=StudyRows(
            user=None, time=None, minimum_frequency=1, objective="mean_auc", calibrated=False
        ),
    )


def raw_rows(rows: Columns) -> pl.DataFrame:
    """The rows as a table of a request."""
    fields = zip(SCHEMA.categorical, rows.ids_RF.T.astype(np.int64), strict=True)
    numbers = zip(SCHEMA.numeric, rows.numeric_RN.T.astype(np.float64), strict=True)
    columns = [pl.Series(name, values) for name, values in (*fields, *numbers)]
    return pl.DataFrame([pl.Series("scenario", rows.scenario_R), *columns])


def bench_serving(num_requests: int, model: str = MODEL) -> list[ServingFigure]:
    """Time all ways in turn; they must agree."""
    exported = make_exported(model)
    rows = draw_rows(CANDIDATES, SEED)
    rows.scenario_R[:] = SCENARIO
    raw = raw_rows(rows)
    columns = exported.encoder.columns(raw)
    ways: dict[str, Callable[[], NDArray[np.float32]]] = {
        "predict: encode and score": lambda: predictions(exported, exported.encoder.columns(raw)),
        "predict: score": lambda: predictions(exported, columns),
    }
    with TemporaryDirectory() as folder:
        graphs = _graphs(exported, columns, Path(folder))
        ways |= graphs
        expected_RT = predictions(exported, columns)
        difference = {
            name: float(np.abs(np.asarray(way()) - expected_RT).max()) for name, way in ways.items()
        }
        assert max(difference.values()) <= TOLERANCE, difference
        seconds = _time(ways, num_requests)
    baseline = sum(seconds["predict: encode and score"])
    return [_figure(way, each, baseline, difference[way]) for way, each in seconds.items()]


def _graphs(
    exported: ExportedModel, columns: Columns, folder: Path
) -> dict[str, Callable[[], NDArray[np.float32]]]:
    """The graph of the scenario in each format."""
    inputs = encoded(columns)
    tensors = [torch.from_numpy(array) for array in inputs.values()]
    program = program_of(ScenarioScoring(exported, SCENARIO), tensors)
    graphs: dict[str, Callable[[], NDArray[np.float32]]] = {}
    for kind in names(FORMATS):
        (folder / kind).mkdir()
        load(FORMATS, kind).write({"scenario": program}, folder / kind, PROBABILITIES)
        run = load(FORMATS, kind).opened(folder / kind, "scenario")
        graphs[f"{kind} graph: score"] = partial(run, inputs)
    return graphs


def _time(
    ways: dict[str, Callable[[], NDArray[np.float32]]], num_requests: int
) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(num_requests):
        for name, way in ways.items():
            started = time.process_time()
            way()
            seconds[name].append(time.process_time() - started)
    return seconds


def _figure(way: str, seconds: list[float], baseline: float, difference: float) -> ServingFigure:
    median, p99 = np.percentile(seconds, [50, 99])
    total = sum(seconds)
    rows_per_second = len(seconds) * CANDIDATES / total
    ratio = baseline / total
    return ServingFigure(way, 1000 * median, 1000 * p99, rows_per_second, ratio, difference)


def table(figures: list[ServingFigure]) -> str:
    """The figures as text, a line each."""
    lines = [("100 rows of one scenario", "p50 ms", "p99 ms", "rows/s", "of predict", "difference")]
    for each in figures:
        times = (f"{each.median:.2f}", f"{each.p99:.2f}")
        rates = (f"{each.rows_per_second:,.0f}", f"{each.ratio:.2f}")
        lines.append((each.way, *times, *rates, f"{each.difference:.0e}"))
    return aligned(lines)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} requests")
    parser.add_argument("--model", action="append", choices=[ALL, *names(MODELS)])
    given = parser.parse_args()
    torch.set_num_threads(1)
    wanted = given.model or [MODEL]
    for model in names(MODELS) if ALL in wanted else wanted:
        print(model)
        print(table(bench_serving(QUICK if given.quick else FULL, model)), flush=True)


if __name__ == "__main__":
    main()
