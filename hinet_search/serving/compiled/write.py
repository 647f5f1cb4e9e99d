"""Write: the graphs of an exported model, which must score as the model does.

Shape legend: R rows, T tasks.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import nn
from torch.export import ExportedProgram

from hinet_search.common.errors import ConfigurationError, DataError, HinetSearchError, shortened
from hinet_search.common.plugins import load
from hinet_search.common.spaced import say_nothing, told
from hinet_search.data.columns import Columns
from hinet_search.models.trees import Model as Trees
from hinet_search.serving.choice import GraphChoice
from hinet_search.serving.compiled.layout import (
    COMPILED,
    LAYOUT,
    MIXED,
    GraphLayout,
    hashes,
    layout_of,
    written_files,
)
from hinet_search.serving.compiled.program import program_of
from hinet_search.serving.compiled.run import FORMATS, encoded, in_blocks
from hinet_search.serving.compiled.scoring import MixedScoring, ScenarioScoring
from hinet_search.serving.compiled.weights import WeightsCost
from hinet_search.serving.history import NOT_ROLLED, RolledInputs
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.model_folder import ExportedModel
from hinet_search.serving.predict import predictions
from hinet_search.serving.row_checks import cast_rows
from hinet_search.training.device import memory_errors_explained

TOLERANCE = 1e-5  # of a prediction, see `Inputs.differences`
LESS_MEMORY = "export on a machine with more memory, or without --format"
EXAMPLE_ROWS = 3  # torch takes sizes of 0 and 1 for constants


@dataclass(frozen=True)
class Compilation:
    """The formats that were written, and the largest difference of a prediction on test rows.

    `amounts` are the tasks whose differences are relative, see `Inputs.differences`. With narrow
    embeddings it is the difference to a model with these; `cost` compares it with that of float32.
    """

    formats: tuple[str, ...]
    num_graphs: int
    num_bytes: int
    difference: float
    cost: WeightsCost | None = None  # of narrow embeddings
    amounts: tuple[str, ...] = ()


def require(formats: Sequence[str]) -> None:
    """Check that formats are known and can be written here, before anything is.

    Errors: ConfigurationError for an unknown one, EnvironmentFault for missing packages.
    """
    for kind in formats:
        load(FORMATS, kind).require()


def write_compiled(
    exported: ExportedModel,
    folder: Path,
    graphs: GraphChoice,
    raw: pl.DataFrame,
    rolled: RolledInputs = NOT_ROLLED,
    say: Callable[[str], None] = say_nothing,
) -> Compilation:
    """Write the graphs into `folder`, which holds the model, and check them on `raw` rows.

    Inputs of the rows that are `rolled` are not those of the model's history. `say` is called with
    a line every few seconds.
    Errors: ConfigurationError if a model has no graph; MemoryError; DataError if a row does not
    score as `probabilities` says.
    """
    compiled = folder / COMPILED
    formats = tuple(dict.fromkeys(graphs.formats))
    layout = layout_of(exported.encoder, replace(graphs, formats=formats))
    with _failures_told(exported):
        programs = _programs(exported, layout, say)
        for kind in formats:
            (compiled / kind).mkdir(parents=True)
            named = told(f"writing {kind} graphs", tuple(programs.items()), say)
            load(FORMATS, kind).write(named, compiled / kind, exported.file.inputs.predicted)
    files = hashes(compiled, written_files(compiled))
    layout = layout.model_copy(update={"files": files})
    _write_layout(layout, compiled)
    encoder = exported.encoder
    frame = cast_rows(encoder.inputs, raw.lazy(), encoder.types).collect()
    columns = encoder.columns(frame, rolled)
    check = _Check(exported, compiled, layout, columns, say)
    difference = max(check.largest_difference(kind) for kind in formats)
    if layout.reads_tables and not all(check.reads_alike(kind, raw) for kind in formats):
        _write_layout(layout.model_copy(update={"reads_tables": False}), compiled)
    size = sum(path.stat().st_size for path in compiled.rglob("*") if path.is_file())
    amounts = tuple(layout.amount_units)
    return Compilation(formats, len(programs), size, difference, amounts=amounts)


def _write_layout(layout: GraphLayout, compiled: Path) -> None:
    (compiled / LAYOUT).write_text(layout.model_dump_json(indent=1) + "\n", encoding="utf-8")


@contextmanager
def _failures_told(exported: ExportedModel) -> Iterator[None]:
    """ConfigurationError with torch's reason if a model cannot become a graph.

    MemoryError if memory runs out.
    """
    models = ", ".join(f"{model.title}, model {model.model}" for model in exported.file.models)
    for member in exported.members:
        if not isinstance(member.model.model, nn.Module | Trees):
            raise ConfigurationError(
                f"{models}: only torch modules and trees can become graphs, "
                f"got {type(member.model.model).__qualname__}",
                remedy="export without --format",
            )
    try:
        with memory_errors_explained(exported.device, f"{models}: graphs", LESS_MEMORY):
            yield
    except (HinetSearchError, OSError, MemoryError):
        raise
    except Exception as error:  # torch raises many types, and so does a plug-in
        reason = next(iter(str(error).splitlines()), "")
        raise ConfigurationError(
            f"{models}: cannot become a graph: {type(error).__name__}: {shortened(reason)}",
            remedy="export without --format; sizes of tensors must not depend on values of rows, "
            "and numbers of rows must be read as x.shape[0], not as len(x)",
        ) from error


def _programs(
    exported: ExportedModel, layout: GraphLayout, say: Callable[[str], None]
) -> dict[str, ExportedProgram]:
    """The programs of all graphs by name."""
    schema = exported.encoder.schema
    examples = (
        torch.zeros(EXAMPLE_ROWS, schema.num_fields, dtype=torch.int32),
        torch.zeros(EXAMPLE_ROWS, len(schema.numeric)),
        torch.zeros(EXAMPLE_ROWS, schema.num_slots, dtype=torch.int32),
        torch.zeros(EXAMPLE_ROWS, dtype=torch.int32),
    )
    modules = [ScenarioScoring(exported, number) for number in range(schema.num_scenarios)]
    traced = told("tracing graphs of scenarios", modules, say)
    programs = [program_of(module, examples[:-1]) for module in traced]
    programs.append(program_of(MixedScoring(modules), examples))
    return dict(zip(layout.graphs, programs, strict=True))


@dataclass(frozen=True)
class _Check:
    """Compares the graphs of a folder with its model on some rows."""

    exported: ExportedModel
    compiled: Path
    layout: GraphLayout
    columns: Columns
    say: Callable[[str], None]

    def scenarios(self, name: str) -> NDArray[np.int16]:
        """The scenario of each row (R,): the graph of a scenario takes all rows to be of it."""
        if name == MIXED:
            return self.columns.scenario_R
        return np.full_like(self.columns.scenario_R, self.layout.graphs.index(name))

    @cached_property
    def expected(self) -> dict[str, NDArray[np.float32]]:
        """What each graph must give (R, T)."""
        expected = {}
        for name in self.layout.graphs:
            columns = replace(self.columns, scenario_R=self.scenarios(name))
            expected[name] = predictions(self.exported, columns)
        return expected

    def largest_difference(self, kind: str) -> float:
        """The largest difference of a prediction; DataError if it is above TOLERANCE.

        Every graph scores all rows, and one row alone.
        """
        opened = load(FORMATS, kind).opened
        model = self.exported.file.inputs
        largest = {}
        graphs = tuple(self.expected.items())
        for name, expected_RT in told(f"checking {kind} graphs", graphs, self.say):
            run = opened(self.compiled / kind, name)
            inputs = encoded(self.columns, mixed=name == MIXED)
            alone_RT = run({key: array[:1] for key, array in inputs.items()})
            has_task_RT = model.has_task[self.scenarios(name)]
            largest[name] = max(
                _largest(model, in_blocks(run, inputs), expected_RT, has_task_RT),
                _largest(model, alone_RT, expected_RT[:1], has_task_RT[:1]),
            )
        worst = max(largest, key=largest.__getitem__)
        if not largest[worst] <= TOLERANCE:
            raise DataError(
                f"{self.exported.file.study}/{self.exported.file.name}: the {kind} graph '{worst}' "
                f"must score {self.columns.num_rows:,} test rows as `predict` does, but a "
                f"{model.prediction} differs by {largest[worst]:.3g}; nothing is exported",
                remedy="export without --format, and report it",
            )
        return largest[worst]

    def reads_alike(self, kind: str, raw: pl.DataFrame) -> bool:
        """Whether the reader of a format, if it has one, scores raw rows alike."""
        expected_RT = self.expected[MIXED]
        tolerance_RT = TOLERANCE * self.exported.file.inputs.difference_units(expected_RT)
        read = load(FORMATS, kind).reads_alike
        alike: bool = read(self.compiled, raw.to_arrow(), expected_RT, tolerance_RT)
        return alike


def _largest(
    inputs: Inputs,
    graph_RT: NDArray[np.float32],
    expected_RT: NDArray[np.float32],
    has_task_RT: NDArray[np.bool_],
) -> float:
    """The largest difference; infinite where a prediction is NaN, or one of no task is not."""
    difference_RT = np.nan_to_num(inputs.differences(graph_RT, expected_RT), nan=np.inf)
    difference_RT[~has_task_RT & np.isnan(graph_RT)] = 0.0
    return float(difference_RT.max(initial=0.0))
