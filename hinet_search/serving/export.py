"""Export: write the chosen finalist of an arm as a model folder, checked against training.

The check scores raw rows of the test split with the folder and compares them with training.
Shape legend: R rows, T tasks.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from hinet_search.common.errors import ConfigurationError, DataError, EnvironmentFault
from hinet_search.common.files import replacing_folder
from hinet_search.data.columns import SPLITS
from hinet_search.data.reading import ROW_NUMBER
from hinet_search.data.rows import Rows, read_rows, reading_of, source_rows
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.inputs import cast_rows
from hinet_search.serving.model_folder import (
    CARD,
    FORMAT,
    ExportedModel,
    ModelFile,
    open_folder,
    write_config,
    write_tables,
)
from hinet_search.serving.rebuild import ExportChoice, LoadedStudy, config_of, encoder_of
from hinet_search.serving.sealed import MANIFEST, seal
from hinet_search.study.data_definition import DataDefinition
from hinet_search.training.jobs.messages import scores_path, weights_path
from hinet_search.training.jobs.score import LAUNCH_AGAIN, read_scores
from hinet_search.training.tensors import read_weights
from hinet_search.training.trial_config import TrialConfig

# Writes the card of an export as Markdown, from what is exported and notes about it.
Card = Callable[[ExportChoice, Sequence[str]], str]
MAX_ROWS = 1_000
# Of a logit, relative to logits above 1: what the order of additions and the device may change.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Verification:
    """The number of test rows that were scored, and the largest difference of a logit."""

    rows: int
    difference: float


@dataclass(frozen=True)
class Export:
    """What was written: `files` by name with their bytes, and the result of the check."""

    folder: Path
    study: str
    arm: str
    trial: int
    seeds: tuple[int, ...]
    why: str
    files: dict[str, int]
    checked_rows: int
    max_difference: float

    @property
    def main_files(self) -> list[str]:
        """Files at the top of the folder, without the manifest."""
        return [name for name in self.files if "/" not in name and name != MANIFEST]


def refuse_full(folder: Path) -> None:
    """ConfigurationError unless `folder` does not exist or is empty."""
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists():
        raise ConfigurationError(
            f"{folder}: must be a new or an empty folder, but something is there",
            remedy="name another folder with -o",
        )


def export(stored: LoadedStudy, what: ExportChoice, folder: Path, write_card: Card) -> Export:
    """Write the folder atomically; notes for the card include the result of the check.

    Errors: EnvironmentFault when weights or scores of the study are missing or the folder cannot be
    written; DataError when one of these files is damaged, a weight is not finite, or test rows do
    not score as in training.
    """
    weights = _weight_files(stored, what)
    for path in weights:
        read_weights(path, LAUNCH_AGAIN)  # so that an error names this file, not its copy
    scores = [read_scores(scores_path(path), "test", stored.dataset.test) for path in weights]
    definition, study_folder = stored.study.spec.data, stored.study.folder
    rows = read_rows(definition, study_folder, stored.dataset.folder.parent)
    config = config_of(stored, what)
    encoder = encoder_of(stored, config, rows)
    raw, position_R = sample_test_rows(definition, study_folder, rows)
    file = _model_file(stored, what, config, encoder)
    size = sum(path.stat().st_size for path in weights)
    try:
        with replacing_folder(folder, size) as part:
            for path, name in zip(weights, file.weight_files, strict=True):
                shutil.copyfile(path, part / name)
            write_tables(part, encoder)
            write_config(part, file)
            seal(part)
            exported = open_folder(part, torch.device("cpu"))
            checked = verify_scores(exported, raw, position_R, scores)
            (part / CARD).write_text(write_card(what, _notes(encoder, checked)), encoding="utf-8")
    except OSError as error:
        raise EnvironmentFault(
            f"{folder}: cannot be written: {error.strerror}", remedy="name another with -o"
        ) from error
    written = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return Export(
        folder=folder,
        study=file.study,
        arm=file.arm,
        trial=file.trial,
        seeds=file.seeds,
        why=what.why,
        files={path.relative_to(folder).as_posix(): path.stat().st_size for path in written},
        checked_rows=checked.rows,
        max_difference=checked.difference,
    )


def _weight_files(stored: LoadedStudy, what: ExportChoice) -> list[Path]:
    """The file with the weights of every seed; EnvironmentFault if it or its scores are missing."""
    number, arm = what.finalist.trial_number, what.arm.name
    weights = [weights_path(stored.artifacts, arm, number, seed) for seed in what.seeds]
    needed = chain.from_iterable((path, scores_path(path)) for path in weights)
    missing = [path for path in needed if not path.is_file()]
    if missing:
        raise EnvironmentFault(
            *(f"{path}: must be there from the study's launch, but is not" for path in missing),
            remedy="name the folder of the launch with --output; if its files were removed, "
            "launch the study under another name",
        )
    return weights


def _notes(encoder: Encoder, checked: Verification) -> list[str]:
    check = (
        f"Checked at export: {checked.rows:,} test rows, read from the study's source, score as in "
        f"training; the largest difference of a logit is {checked.difference:.2g}."
    )
    return [*encoder.history.notes(encoder.inputs), check]


def _model_file(
    stored: LoadedStudy, what: ExportChoice, config: TrialConfig, encoder: Encoder
) -> ModelFile:
    record = stored.record
    return ModelFile(
        format=FORMAT,
        study=record.name,
        arm=what.arm.name,
        trial=what.finalist.trial_number,
        seeds=what.seeds,
        model=config.model_name,
        settings=config.sections,
        inputs=encoder.inputs,
        data=record.data.fingerprint,
        versions=dict(record.versions),
    )


def verify_scores(
    exported: ExportedModel,
    raw: pl.DataFrame,
    position_R: NDArray[np.intp],
    scores: Sequence[NDArray[np.float32]],
) -> Verification:
    """Score `raw` rows, which are at `position_R` of the test split, and compare with `scores`.

    `scores` are the logits of all test rows that training wrote, one array (R, T) for every seed.
    DataError when a row does not score the same.
    """
    encoder = exported.encoder
    columns = encoder.columns(cast_rows(encoder.inputs, raw.lazy(), encoder.types).collect())
    largest = 0.0
    for model, seed, scores_RT in zip(exported.models, exported.file.seeds, scores, strict=True):
        training_RT = scores_RT[position_R].astype(np.float64)
        difference_RT = np.abs(model.scores(columns) - training_RT)
        tolerance_RT = TOLERANCE * np.maximum(1.0, np.abs(training_RT))
        agrees_R = np.all(difference_RT <= tolerance_RT, axis=1)
        if not agrees_R.all():
            _refuse(exported, seed, difference_RT, agrees_R)
        largest = max(largest, float(difference_RT.max(initial=0.0)))
    return Verification(len(raw), largest)


def sample_test_rows(
    definition: DataDefinition, folder: Path, rows: Rows
) -> tuple[pl.DataFrame, NDArray[np.intp]]:
    """Evenly spaced raw rows of the test split from the source, and their positions in it."""
    test_rows = np.flatnonzero(rows.split_R == SPLITS.index("test"))
    spaced = np.linspace(0, test_rows.size - 1, min(MAX_ROWS, test_rows.size))
    position_R = np.unique(spaced.astype(np.intp))
    numbers = pl.Series(rows.row_R[test_rows[position_R]])
    lazy = source_rows(definition, folder).with_row_index(ROW_NUMBER)
    with reading_of(definition):
        raw = lazy.filter(pl.col(ROW_NUMBER).is_in(numbers.implode())).collect(engine="streaming")
    return raw.sort(ROW_NUMBER), position_R


def _refuse(
    exported: ExportedModel,
    seed: int,
    difference_RT: NDArray[np.float64],
    agrees_R: NDArray[np.bool_],
) -> None:
    file = exported.file
    raise DataError(
        f"{file.study}/{file.arm} seed {seed}: {len(agrees_R):,} test rows must score as in "
        f"training, but {(~agrees_R).sum():,} do not: a logit differs by up to "
        f"{np.nanmax(difference_RT):.3g}; nothing is exported",
        remedy="launch the study again under another name if its rows or the versions of its "
        "libraries have changed, and export that one; else report it",
    )
