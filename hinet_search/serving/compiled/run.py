"""Run: open the graphs of an exported folder and score encoded rows with them.

Shape legend: R rows, T tasks.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hinet_search.common.errors import ConfigurationError, did_you_mean
from hinet_search.common.plugins import load
from hinet_search.data.columns import Columns
from hinet_search.serving.compiled.layout import (
    COMPILED,
    IDS,
    LISTS,
    NUMBERS,
    SCENARIO,
    GraphLayout,
    check_files,
    read_layout,
)

FORMATS = "hinet_search.serving.compiled.formats"
ROWS_AT_ONCE = 4096

Encoded = Mapping[str, NDArray[np.generic]]  # the inputs of a graph by name
Run = Callable[[Encoded], NDArray[np.float32]]


@dataclass(frozen=True)
class Compiled:
    """The graphs of a folder in one format, of every scenario by its name."""

    layout: GraphLayout
    runs: Mapping[str, Run]

    def score(self, columns: Columns, scenario: str | None = None) -> NDArray[np.float32]:
        """What `predict` gives (R, T) of rows that the folder's encoder encoded.

        With `scenario` all rows count as rows of that scenario; else each is scored in its own, by
        the graph of that scenario. Errors: ConfigurationError for an unknown scenario.
        """
        if scenario is not None and scenario not in self.runs:
            raise ConfigurationError(
                f"scenario '{scenario}' is not one of the model's, "
                f"{', '.join(self.runs)}{did_you_mean(scenario, self.runs)}"
            )
        if scenario is not None and columns.num_rows:
            return in_blocks(self.runs[scenario], encoded(columns))
        predicted_RT = np.empty((columns.num_rows, len(self.layout.tasks)), dtype=np.float32)
        for number, name in enumerate(self.layout.scenarios):
            is_of_R = columns.scenario_R == number
            if is_of_R.any():
                inputs = encoded(columns.where(is_of_R))
                predicted_RT[is_of_R] = in_blocks(self.runs[name], inputs)
        return predicted_RT


def open_compiled(folder: Path, kind: str | None = None) -> Compiled:
    """Open the graphs of an exported folder, of format `kind` or of the first that holds no code.

    Errors: DataError without graphs or if one is damaged; ConfigurationError if it has none of that
    format; EnvironmentFault if the packages that run them are missing.
    """
    compiled = folder / COMPILED
    layout = read_layout(compiled)
    chosen = next(_without_code(layout), None) if kind is None else kind
    if chosen is None:
        raise ConfigurationError(
            f"{folder}: all graphs are machine code, {', '.join(layout.formats)}, which is opened "
            "only if its format is named",
            remedy=f"name it if you trust the folder: {layout.formats[0]}",
        )
    if chosen not in layout.formats:
        raise ConfigurationError(
            f"{folder}: has graphs of format {', '.join(layout.formats)}, but not of '{chosen}'"
        )
    check_files(compiled, layout, chosen)
    opened = load(FORMATS, chosen).opened
    named = zip(layout.scenarios, layout.graphs, strict=False)  # the last graph is of mixed rows
    return Compiled(layout, {name: opened(compiled / chosen, graph) for name, graph in named})


def has_graphs(folder: Path) -> bool:
    """Whether an exported folder has graphs that hold no code; DataError if that cannot be read."""
    compiled = folder / COMPILED
    return compiled.is_dir() and any(_without_code(read_layout(compiled)))


def _without_code(layout: GraphLayout) -> Iterator[str]:
    return (kind for kind in layout.formats if not load(FORMATS, kind).IS_CODE)


def encoded(columns: Columns, *, mixed: bool = False) -> Encoded:
    """The inputs of a graph of one scenario, or of mixed rows."""
    inputs: dict[str, NDArray[np.generic]] = {
        IDS: columns.ids_RF,
        NUMBERS: columns.numeric_RN,
        LISTS: columns.lists_RS,
    }
    if mixed:
        inputs[SCENARIO] = columns.scenario_R.astype(np.int32)
    return inputs


def in_blocks(run: Run, inputs: Encoded) -> NDArray[np.float32]:
    """Score rows in blocks, so that memory does not grow with their number; at least one row."""
    num_rows = len(inputs[IDS])
    blocks = [
        run({name: array[start : start + ROWS_AT_ONCE] for name, array in inputs.items()})
        for start in range(0, num_rows, ROWS_AT_ONCE)
    ]
    return np.concatenate(blocks)
