"""ONNX: the model of an exported folder as one graph, model.onnx, which needs none of this package.

The graph takes encoded rows of any scenarios and gives what `predict` gives. It scores every row in
every scenario and keeps the row's own, because a network takes rows that are sorted by scenario.
Shape legend: R rows, F categorical fields, N numeric inputs, S slots of all lists, T tasks,
M scenarios.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.onnx import ONNXProgram

from hinet_search.common import quiet
from hinet_search.common.errors import ConfigurationError, DataError, HinetSearchError, shortened
from hinet_search.data.columns import Columns
from hinet_search.models.layers.batch import Batch
from hinet_search.results.calibration_records import Calibrator
from hinet_search.results.families import MAX_LOG
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.model_folder import LoadedModel
from hinet_search.serving.sealed import GRAPH
from hinet_search.training.device import memory_errors_explained

INPUTS = ("ids", "numbers", "lists", "scenario")
DESCRIPTION = "inputs"  # the key of the graph's metadata that says what its inputs hold
TOLERANCE = 1e-5  # of a prediction, see `_largest`
EXAMPLE_ROWS = 3  # torch takes sizes of 0 and 1 for constants
WITHOUT_GRAPH = "export without --format onnx"


@dataclass(frozen=True)
class GraphCheck:
    """The largest difference of a prediction between the graph and `predict` on test rows.

    `amounts` are the tasks whose differences are relative, see `_largest`.
    """

    difference: float
    amounts: tuple[str, ...] = ()


def write_graph(exported: LoadedModel, raw: pl.DataFrame) -> GraphCheck:
    """Write model.onnx into the folder of a model, and check it on `raw` rows.

    Errors: ConfigurationError if the model has no graph; MemoryError; DataError if a row does not
    score as `LoadedModel.predictions` says.
    """
    path = exported.folder / GRAPH
    with _failures_explained(exported):
        _graph(exported).save(path)
    return _checked(exported, path, exported.encode(raw))


def _graph(exported: LoadedModel) -> ONNXProgram:
    """The graph of a model, whose metadata say what its inputs hold."""
    program = _program(exported)
    with _without_hints():
        graph = torch.onnx.export(
            program,
            dynamo=True,
            verbose=False,
            input_names=INPUTS,
            output_names=[exported.file.inputs.predicted],
        )
    assert graph is not None, "without a path it is returned"
    schema = exported.encoder.schema
    columns = {
        "ids": schema.categorical,
        "numbers": schema.numeric,
        "lists": {each.name: each.length for each in schema.lists},
        "scenario": schema.scenarios,
        "tasks": schema.tasks,
    }
    graph.model.metadata_props[DESCRIPTION] = json.dumps(columns)
    return graph


def _program(exported: LoadedModel) -> ExportedProgram:
    """The scoring of a model for any number of rows."""
    schema = exported.encoder.schema
    examples = (
        torch.zeros(EXAMPLE_ROWS, schema.num_fields, dtype=torch.int32),
        torch.zeros(EXAMPLE_ROWS, len(schema.numeric)),
        torch.zeros(EXAMPLE_ROWS, schema.num_slots, dtype=torch.int32),
        torch.zeros(EXAMPLE_ROWS, dtype=torch.int32),
    )
    rows = Dim("rows", min=1)
    shapes = tuple({0: rows} for _ in examples)
    with torch.no_grad():  # else a part of a model without gradients becomes a graph of its own
        return torch.export.export(Scoring(exported), examples, dynamic_shapes=shapes)


class Scoring(nn.Module):
    """From encoded rows to predictions: the one member of a folder, calibrated."""

    has_task_MT: Tensor
    is_amount_T: Tensor
    unit_T: Tensor

    def __init__(self, exported: LoadedModel) -> None:
        super().__init__()
        (member,) = exported.members
        model = member.model.model
        if not isinstance(model, nn.Module):
            raise ConfigurationError(
                f"{exported.file.models[0].title}: only networks become ONNX graphs, "
                f"got {exported.file.models[0].model}",
                remedy=f"{WITHOUT_GRAPH}, or name an arm that is a network",
            )
        self.model = model.eval()
        self.chosen = member.inputs
        inputs = exported.file.inputs
        calibrators = exported.file.calibrators
        self.calibrators = nn.ModuleList()
        for scenario in inputs.scenario.names:
            of_scenario = nn.ModuleList()
            for task in inputs.tasks:
                calibrator = calibrators.get((scenario, task), Calibrator())
                of_scenario.append(PiecewiseLinear(calibrator))
            self.calibrators.append(of_scenario)
        self.register_buffer("has_task_MT", torch.from_numpy(inputs.has_task))
        self.register_buffer("is_amount_T", torch.from_numpy(inputs.is_amount))
        self.register_buffer("unit_T", torch.from_numpy(inputs.units))

    def forward(
        self,
        ids_RF: Int[Tensor, "R F"],
        numeric_RN: Float[Tensor, "R N"],
        lists_RS: Int[Tensor, "R S"],
        scenario_R: Int[Tensor, "R"],
    ) -> Float[Tensor, "R T"]:
        """Return P(task = 1), or the expected amount in the unit of its column, of the rows.

        NaN where the model has no finite score, and for a task that the scenario does not have.
        """
        ids_RF = _columns(ids_RF, self.chosen.fields)
        numeric_RN = _columns(numeric_RN, self.chosen.numbers)
        lists_RS = _columns(lists_RS, self.chosen.slots)
        every_MRT = torch.stack(
            [
                self._calibrated_logits(ids_RF, numeric_RN, lists_RS, scenario)
                for scenario in range(len(self.calibrators))
            ]
        )
        own_1RT = scenario_R.long()[None, :, None].expand(1, -1, every_MRT.shape[2])
        logits_RT = every_MRT.gather(0, own_1RT)[0]
        is_scored_RT = (logits_RT.abs() < torch.inf) & self.has_task_MT[scenario_R.long()]
        amount_RT = self.unit_T * logits_RT.clamp(max=MAX_LOG).exp()
        predicted_RT = torch.where(self.is_amount_T, amount_RT, logits_RT.sigmoid())
        return torch.where(is_scored_RT, predicted_RT, torch.nan).float()

    def _calibrated_logits(
        self, ids_RF: Tensor, numeric_RN: Tensor, lists_RS: Tensor, scenario: int
    ) -> Float[Tensor, "R T"]:
        """Return logits, as of a batch whose rows are all of the scenario."""
        num_rows = ids_RF.shape[0]
        sizes = [0] * len(self.calibrators)
        sizes[scenario] = num_rows
        batch = Batch(
            ids_BF=ids_RF,
            numeric_BN=numeric_RN,
            scenario_B=torch.full((num_rows,), scenario, dtype=torch.int64),
            lists_BS=lists_RS,
            sizes=tuple(sizes),
        )
        logits_RT: Tensor = self.model(batch)
        calibrators: nn.ModuleList = self.calibrators[scenario]  # type: ignore[assignment]
        columns = zip(calibrators, logits_RT.double().unbind(dim=1), strict=True)
        return torch.stack([calibrator(logit_R) for calibrator, logit_R in columns], dim=1)


def _columns(encoded: Tensor, positions: Sequence[int]) -> Tensor:
    """Return these columns; positions ascend."""
    if len(positions) == encoded.shape[1]:
        return encoded
    return encoded.index_select(1, torch.tensor(positions, dtype=torch.int64))


class PiecewiseLinear(nn.Module):
    """A calibrator of K knots: linear between them, and with its slope outside them."""

    knot_K: Tensor
    value_K: Tensor
    rise_K: Tensor

    def __init__(self, calibrator: Calibrator) -> None:
        super().__init__()
        self.is_none = calibrator.kind == "none"
        self.slope = calibrator.slope
        knot_K = np.array(calibrator.knots)
        value_K = np.array(calibrator.values)
        width_K = np.diff(knot_K, append=np.inf)  # nothing rises after the last knot
        rise_K = np.diff(value_K, append=value_K[-1]) / np.where(width_K > 0, width_K, np.inf)
        for name, array in (("knot_K", knot_K), ("value_K", value_K), ("rise_K", rise_K)):
            self.register_buffer(name, torch.from_numpy(array))

    def forward(self, logit_R: Float[Tensor, "R"]) -> Float[Tensor, "R"]:
        """Return calibrated logits."""
        if self.is_none:
            return logit_R
        inside_R = logit_R.clamp(self.knot_K[0], self.knot_K[-1])
        left_R = (inside_R.unsqueeze(1) >= self.knot_K[1:]).sum(dim=1)
        between_R = self.value_K[left_R] + self.rise_K[left_R] * (inside_R - self.knot_K[left_R])
        return between_R + self.slope * (logit_R - inside_R)


def graph_inputs(columns: Columns) -> dict[str, NDArray[np.generic]]:
    """The inputs of the graph by name, of encoded rows."""
    scenario_R = columns.scenario_R.astype(np.int32)
    arrays = (columns.ids_RF, columns.numeric_RN, columns.lists_RS, scenario_R)
    return dict(zip(INPUTS, arrays, strict=True))


def _checked(exported: LoadedModel, path: Path, columns: Columns) -> GraphCheck:
    """Score rows by the graph, in every scenario and one alone; DataError if one differs."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    inputs = exported.file.inputs
    in_scenarios = [
        replace(columns, scenario_R=np.full_like(columns.scenario_R, scenario))
        for scenario in range(len(inputs.scenario.names))
    ]
    largest = 0.0
    for rows in (columns.head(1), columns, *in_scenarios):
        (graph_RT,) = session.run(None, graph_inputs(rows))
        has_task_RT = inputs.has_task[rows.scenario_R]
        expected_RT = exported.predictions(rows)
        largest = max(largest, _largest(inputs, graph_RT, expected_RT, has_task_RT))
    if not largest <= TOLERANCE:
        raise DataError(
            f"{exported.file.study}/{exported.file.name}: {GRAPH} must score "
            f"{columns.num_rows:,} test rows as `predict` does, but a prediction differs "
            f"by {largest:.3g}; nothing is exported",
            remedy=f"{WITHOUT_GRAPH}, and report it",
        )
    return GraphCheck(largest, tuple(inputs.amount_units))


def _largest(
    inputs: Inputs,
    graph_RT: NDArray[np.float32],
    expected_RT: NDArray[np.float32],
    has_task_RT: NDArray[np.bool_],
) -> float:
    """The largest difference; infinite where a prediction is NaN, or one of no task is not.

    A difference of a probability counts as it is. That of an amount counts relative to the
    expected amount, or to its unit (the mean amount of training) if that is larger.
    """
    larger_RT = np.fmax(expected_RT, inputs.units.astype(np.float32))
    units_RT = np.where(inputs.is_amount, larger_RT, np.float32(1))
    difference_RT = np.nan_to_num(np.abs(graph_RT - expected_RT) / units_RT, nan=np.inf)
    difference_RT[~has_task_RT & np.isnan(graph_RT)] = 0.0
    return float(difference_RT.max(initial=0.0))


@contextmanager
def _failures_explained(exported: LoadedModel) -> Iterator[None]:
    """ConfigurationError with torch's reason if a model cannot become a graph.

    MemoryError if memory runs out.
    """
    model = exported.file.models[0]
    title = f"{model.title}, model {model.model}"
    less_memory = f"export on a machine with more memory, or {WITHOUT_GRAPH}"
    try:
        with memory_errors_explained(exported.device, f"{title}: ONNX graph", less_memory):
            yield
    except (HinetSearchError, OSError, MemoryError):
        raise
    except Exception as error:  # torch raises many types, and so does a plug-in
        reason = next(iter(str(error).splitlines()), "")
        raise ConfigurationError(
            f"{title}: cannot become an ONNX graph: {type(error).__name__}: {shortened(reason)}",
            remedy=f"{WITHOUT_GRAPH}; sizes of tensors must not depend on values of rows, "
            "and numbers of rows must be read as x.shape[0], not as len(x)",
        ) from error


@contextmanager
def _without_hints() -> Iterator[None]:
    """Keep torch from hints at optional packages, and at its own calls that will change."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with quiet.without(FutureWarning, DeprecationWarning):
            yield
    finally:
        logger.setLevel(level)
