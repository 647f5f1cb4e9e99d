"""Write folder: write an exported folder, completely or not at all, and check how it scores.

Raw rows of the test split must score from the folder as in training.
Shape legend: R rows, T tasks.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from hinet_search.common.errors import DataError, EnvironmentFault
from hinet_search.common.files import replacing_folder
from hinet_search.data.columns import SPLITS
from hinet_search.data.reading import ROW_NUMBER
from hinet_search.data.rows import Rows
from hinet_search.data.source_rows import reading_of, source_rows
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.model_file import ModelFile
from hinet_search.serving.model_folder import (
    CARD,
    ExportedModel,
    average,
    open_folder,
    write_config,
    write_tables,
)
from hinet_search.serving.row_checks import cast_rows
from hinet_search.serving.sealed import seal
from hinet_search.study.data_definition import DataDefinition
from hinet_search.training.tensors import save_tensors

if TYPE_CHECKING:
    from hinet_search.serving.onnx_graph import GraphCheck


MAX_ROWS = 1_000
# Of a logit, relative to logits above 1: what the order of additions and the device may change.
TOLERANCE = 1e-4
AS_IN_TRAINING = "test rows must score as in training"
LAUNCH_ANEW = (
    "launch the study again under another name if its rows or the versions of its libraries have "
    "changed, and export that one; else report it"
)


@dataclass(frozen=True)
class KnownScores:
    """Logits (R, T) that all rows must have: of one seed, or of the average of all members."""

    seed: int | None  # None for the ensemble
    logits_RT: NDArray[np.float32]

    @property
    def title(self) -> str:
        """`seed 12`, or `all members`."""
        return "all members" if self.seed is None else f"seed {self.seed}"


@dataclass(frozen=True)
class Verification:
    """The number of rows that were scored, and the largest difference of a logit."""

    rows: int
    difference: float


@dataclass(frozen=True)
class RowSample:
    """Raw rows, and their positions among those with known scores.

    `how` says which rows they are, and how they must score.
    """

    raw: pl.DataFrame
    position_R: NDArray[np.intp]
    how: str
    remedy: str


def verify_scores(
    exported: ExportedModel, sample: RowSample, known: Sequence[KnownScores]
) -> Verification:
    """Score the rows of a sample, and compare with the `known` scores of all.

    DataError when a row does not score the same.
    """
    encoder = exported.encoder
    frame = cast_rows(encoder.inputs, sample.raw.lazy(), encoder.types).collect()
    columns = encoder.columns(frame)
    largest = 0.0
    for scores in known:
        known_RT = scores.logits_RT[sample.position_R].astype(np.float64)
        members = [each for each in exported.members if scores.seed in (None, each.seed)]
        folder_RT = average(members, exported.file, columns)
        difference_RT = np.abs(folder_RT - known_RT)
        tolerance_RT = TOLERANCE * np.maximum(1.0, np.abs(known_RT))
        agrees_R = np.all(difference_RT <= tolerance_RT, axis=1)
        if not agrees_R.all():
            title = f"{exported.file.study}/{exported.file.name}, {scores.title}"
            largest = np.nanmax(difference_RT)
            raise DataError(
                f"{title}: {len(agrees_R):,} {sample.how}, but {(~agrees_R).sum():,} do not: a "
                f"logit differs by up to {largest:.3g}; nothing is exported",
                remedy=sample.remedy,
            )
        largest = max(largest, float(difference_RT.max(initial=0.0)))
    return Verification(len(sample.raw), largest)


def sample_test_rows(
    definition: DataDefinition, folder: Path, cache: Path, rows: Rows
) -> RowSample:
    """Evenly spaced rows of the test split, from the source."""
    is_test_R = rows.split_R == SPLITS.index("test")
    if rows.sample is not None:
        is_test_R &= rows.sample.is_drawn_R
    test_rows = np.flatnonzero(is_test_R)
    spaced = np.linspace(0, test_rows.size - 1, min(MAX_ROWS, test_rows.size))
    position_R = np.unique(spaced.astype(np.intp))
    numbers = pl.Series(rows.row_R[test_rows[position_R]])
    lazy = source_rows(definition, folder, cache).with_row_index(ROW_NUMBER)
    with reading_of(definition):
        raw = lazy.filter(pl.col(ROW_NUMBER).is_in(numbers.implode())).collect(engine="streaming")
    return RowSample(raw.sort(ROW_NUMBER), position_R, AS_IN_TRAINING, LAUNCH_ANEW)


@dataclass(frozen=True)
class FolderContent:
    """What a folder holds.

    `weights` are those of every member, or the file that has them. With `onnx` its one model is
    written as a graph too.
    """

    file: ModelFile
    encoder: Encoder
    weights: Sequence[Path | Mapping[str, Tensor]]
    onnx: bool = False


@dataclass(frozen=True)
class WrittenFolder:
    """The files of a folder with their bytes, and the checks of its scores and of its graph."""

    files: dict[str, int]
    checked: Verification
    graph: "GraphCheck | None"


def write_folder(
    folder: Path,
    content: FolderContent,
    sample: RowSample,
    known: Sequence[KnownScores],
    write_card: Callable[[Verification], str],
) -> WrittenFolder:
    """Write a folder, check that the rows of `sample` have the `known` scores, and add a graph.

    Errors: those of `verify_scores` and `write_graph`; EnvironmentFault if the folder cannot be
    written.
    """
    try:
        with replacing_folder(folder, sum(map(_size, content.weights))) as part:
            for weights, name in zip(content.weights, content.file.weight_files, strict=True):
                if isinstance(weights, Path):
                    shutil.copyfile(weights, part / name)
                else:
                    save_tensors(weights, part / name)
            write_tables(part, content.encoder)
            write_config(part, content.file)
            seal(part)
            exported = open_folder(part, torch.device("cpu"))
            checked = verify_scores(exported, sample, known)
            (part / CARD).write_text(write_card(checked), encoding="utf-8")
            graph = None
            if content.onnx:
                from hinet_search.serving.onnx_graph import write_graph  # half a second

                graph = write_graph(exported, sample.raw)
                seal(part)
    except OSError as error:
        raise EnvironmentFault(
            f"{folder}: cannot be written: {error.strerror}", remedy="name another with -o"
        ) from error
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    files = {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths}
    return WrittenFolder(files, checked, graph)


def _size(weights: Path | Mapping[str, Tensor]) -> int:
    if isinstance(weights, Path):
        return weights.stat().st_size
    return sum(tensor.nbytes for tensor in weights.values())
