"""Export: write an arm, a student or the ensemble of a study as a folder, checked on test rows.

The folder is written completely or not at all. Raw rows of the test split must score from it as in
training.
Shape legend: R rows, T tasks.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from hinet_search.common.errors import ConfigurationError, DataError, EnvironmentFault
from hinet_search.common.files import replacing_folder
from hinet_search.data.columns import SPLITS
from hinet_search.data.reading import ROW_NUMBER
from hinet_search.data.rows import Rows, read_rows
from hinet_search.data.sample import with_sample
from hinet_search.data.source_rows import reading_of, source_rows
from hinet_search.results.ensemble_records import Member, RunKey
from hinet_search.results.finalist_values import Split
from hinet_search.results.statistics.ensemble import RunningMean
from hinet_search.serving.choice import ExportChoice
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.encoding_folder import write_tables
from hinet_search.serving.log_rows import notes_of_log
from hinet_search.serving.model_file import (
    CARD,
    ENCODING,
    FORMAT,
    ModelFile,
    ModelOfFile,
    WeightedSeed,
    calibrated_cells,
    write_config,
)
from hinet_search.serving.model_folder import LoadedModel, open_folder
from hinet_search.serving.rebuild import LoadedStudy, config_of, encoder_of
from hinet_search.serving.sealed import MANIFEST, file_names, seal
from hinet_search.training.jobs.messages import (
    StoredModel,
    ensemble_scores_path,
    refit_path,
    scores_path,
    weights_path,
)
from hinet_search.training.jobs.score import LAUNCH_AGAIN, read_scores, restore_model
from hinet_search.training.tensors import read_weights
from hinet_search.training.trial_config import TrialConfig

if TYPE_CHECKING:
    from hinet_search.serving.onnx_graph import GraphCheck


MAX_ROWS = 1_000
MAX_ROWS_OF_VALIDATION = 10_000
# Of a logit, relative to logits above 1: what the order of additions and the device may change.
TOLERANCE = 1e-4
REFITTED = (
    "Trained again on the rows of train and validation together, for as many steps as were best on "
    "validation. Metrics on test are those of the model before, whose training had fewer rows."
)

# Writes the card of an export as Markdown, from what is exported and notes about it.
Card = Callable[[ExportChoice, Sequence[str]], str]


@dataclass(frozen=True)
class Export:
    """What was written: `files` by name with their bytes, and the result of the check.

    `arm` is the arm, the student or `ensemble`, which has no `trial`. `graph` is the check of
    model.onnx, if it was asked for.
    """

    folder: Path
    study: str
    arm: str
    trial: int | None
    seeds: tuple[int, ...]
    members: tuple[Member, ...]
    why: str
    files: dict[str, int]
    checked_rows: int
    max_difference: float
    graph: "GraphCheck | None" = None

    @property
    def main_files(self) -> dict[str, int]:
        """Bytes of the main files at the top of the folder, without weights of several members."""
        left_out = {MANIFEST}
        if len(self.members) > 1:
            left_out |= set(self.weight_files)
        return {
            name: size
            for name, size in self.files.items()
            if "/" not in name and name not in left_out
        }

    @property
    def weight_files(self) -> dict[str, int]:
        """Bytes of the files with weights."""
        return {name: size for name, size in self.files.items() if name.endswith(".safetensors")}


def refuse_full(folder: Path) -> None:
    """ConfigurationError unless `folder` does not exist or is empty."""
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists():
        raise ConfigurationError(
            f"{folder}: must be a new or an empty folder, but something is there",
            remedy="name another folder with -o",
        )


@dataclass(frozen=True)
class KnownScores:
    """Logits (R, T) that all rows must have: of one seed, or of the average of all members."""

    seed: int | None  # None for the ensemble
    logits_RT: NDArray[np.float32]


@dataclass(frozen=True)
class TrainedFiles:
    """The files of what is exported; of refits only if every member has one."""

    stored: LoadedStudy
    what: ExportChoice
    weights: Mapping[RunKey, Path]
    is_refitted: bool

    @property
    def scores(self) -> Mapping[Path, str]:
        """The files of scores, and what they hold."""
        if not self.what.is_tested:
            return {}
        if self.what.is_ensemble and not self.is_refitted:
            return {ensemble_scores_path(self.stored.artifacts): "the scores of the ensemble"}
        scores = {}
        for run, path in self.weights.items():
            scores[scores_path(path)] = f"the scores of {_title(run)}"
        return scores

    def scores_of_test(self) -> Iterator[KnownScores]:
        """Read the scores of the test split: of every seed, or of the ensemble.

        What is not opened on test is scored now, without a look at the labels.
        """
        test = self.stored.dataset.test
        scores = tuple(self.scores)
        if not self.what.is_tested:
            folder = self.stored.dataset.folder.absolute()
            for run, path in self.weights.items():
                model = StoredModel(folder, config_of(self.stored, run), "cpu", path)
                restored = restore_model(model)
                yield KnownScores(run.seed, restored.model.scores(restored.dataset.test))
        elif not self.what.is_ensemble:
            for run, path in zip(self.weights, scores, strict=True):
                yield KnownScores(run.seed, read_scores(path, "test", test))
        elif self.is_refitted:
            mean = RunningMean(self.what.scale, self.stored.dataset.full_schema.is_amount)
            for member, path in zip(self.what.members, scores, strict=True):
                mean.add(read_scores(path, "test", test), member.weight)
            yield KnownScores(None, mean.result())
        else:
            yield KnownScores(None, read_scores(scores[0], "test", test))


def files_of(stored: LoadedStudy, what: ExportChoice) -> TrainedFiles:
    """Return the files of what is exported; EnvironmentFault names each one that is missing."""
    weights = {
        run: weights_path(stored.artifacts, run.arm, run.trial_number, run.seed)
        for run in what.runs
    }
    refits = {run: refit_path(path) for run, path in weights.items()}
    is_refitted = stored.record.budget.refit and all(path.exists() for path in refits.values())
    files = TrainedFiles(stored, what, refits if is_refitted else weights, is_refitted)
    contents = {path: f"the weights of {_title(run)}" for run, path in files.weights.items()}
    contents |= files.scores
    missing = [
        f"{path}: {content} must be there from the study's launch, but are not"
        for path, content in contents.items()
        if not path.is_file()
    ]
    if missing:
        raise EnvironmentFault(
            *missing,
            remedy="name the folder of the launch with --output; if its files were removed, "
            "launch the study under another name",
        )
    return files


def _title(run: RunKey) -> str:
    return f"arm '{run.arm}', trial {run.trial_number}, seed {run.seed}"


def export(
    stored: LoadedStudy, what: ExportChoice, folder: Path, write_card: Card, *, onnx: bool
) -> Export:
    """Write the folder atomically; notes for the card include the result of the check.

    With `onnx` its one model is written as a graph too.
    Errors: EnvironmentFault when weights or scores of the study are missing, or the folder cannot
    be written; DataError when one of these files is damaged, a weight is not finite, or test rows
    do not score as in training, also by the graph.
    """
    configs = {(run.arm, run.trial_number): config_of(stored, run) for run in what.runs}
    files = files_of(stored, what)
    for path in files.weights.values():
        read_weights(path, LAUNCH_AGAIN)  # an error names the original
    known = list(files.scores_of_test())
    definition = stored.study.spec.data
    rows = read_rows(definition, stored.study.folder, stored.dataset.folder.parent)
    rows = with_sample(rows, definition, stored.dataset.record.sampled_share)
    rows = rows.with_distinct_ids(definition.features.distinct_by_scenario)
    encoder = encoder_of(stored, [config.features for config in configs.values()], rows)
    sample = _sample_rows(stored, rows, "test", MAX_ROWS)
    file = _model_file(stored, what, configs, encoder, rows)
    weights = [files.weights[member.run] for member in file.members]
    graph = None
    with replacing_folder(folder, sum(path.stat().st_size for path in weights)) as part:
        exported = _written_and_opened(part, file, encoder, weights)
        difference = verify_scores(exported, sample, known)
        check = (
            f"Checked at export: {len(sample.raw):,} test rows, read from the study's source, "
            f"score as in training; the largest difference of a logit is {difference:.2g}."
        )
        card = write_card(what, _notes(encoder, check, files))
        (part / CARD).write_text(card, encoding="utf-8")
        if onnx:
            from hinet_search.serving.onnx_graph import write_graph  # half a second

            graph = write_graph(exported, sample.raw)
            seal(part)
    return Export(
        folder=folder,
        study=file.study,
        arm=file.name,
        trial=what.trial,
        seeds=what.seeds,
        members=file.members,
        why=what.why,
        files={name: (folder / name).stat().st_size for name in file_names(folder)},
        checked_rows=len(sample.raw),
        max_difference=difference,
        graph=graph,
    )


def _written_and_opened(
    part: Path, file: ModelFile, encoder: Encoder, weights: Sequence[Path]
) -> LoadedModel:
    """Write a folder that `weights` of its members are copied to, and open it."""
    for path, name in zip(weights, file.weight_files, strict=True):
        shutil.copyfile(path, part / name)
    write_tables(part / ENCODING, encoder)
    write_config(part, file)
    seal(part)
    return open_folder(part, torch.device("cpu"))


@dataclass(frozen=True)
class RowSample:
    """Raw rows of a split, and their positions among all of it."""

    raw: pl.DataFrame
    position_R: NDArray[np.intp]


def _sample_rows(stored: LoadedStudy, rows: Rows, split: Split, most: int) -> RowSample:
    """At most so many evenly spaced rows of a split, from the source."""
    is_in_split_R = rows.split_R == SPLITS.index(split)
    if rows.sample is not None:
        is_in_split_R &= rows.sample.is_drawn_R
    in_split = np.flatnonzero(is_in_split_R)
    spaced = np.linspace(0, in_split.size - 1, min(most, in_split.size))
    position_R = np.unique(spaced.astype(np.intp))
    numbers = pl.Series(rows.row_R[in_split[position_R]])
    definition = stored.study.spec.data
    lazy = source_rows(definition, stored.study.folder, stored.dataset.folder.parent)
    is_chosen = pl.col(ROW_NUMBER).is_in(numbers.implode())
    with reading_of(definition):
        raw = lazy.with_row_index(ROW_NUMBER).filter(is_chosen).collect(engine="streaming")
    return RowSample(raw.sort(ROW_NUMBER), position_R)


def verify_scores(exported: LoadedModel, sample: RowSample, known: Sequence[KnownScores]) -> float:
    """Return the largest difference of a logit of the sample from the `known` logits of all rows.

    DataError when a row does not score the same.
    """
    columns = exported.encode(sample.raw)
    largest = 0.0
    for scores in known:
        known_RT = scores.logits_RT[sample.position_R].astype(np.float64)
        members = [each for each in exported.members if scores.seed in (None, each.seed)]
        folder_RT = exported.logits(columns, members)
        difference_RT = np.abs(folder_RT - known_RT)
        tolerance_RT = TOLERANCE * np.maximum(1.0, np.abs(known_RT))
        agrees_R = np.all(difference_RT <= tolerance_RT, axis=1)
        if not agrees_R.all():
            title = "all members" if scores.seed is None else f"seed {scores.seed}"
            largest = np.nanmax(difference_RT)
            raise DataError(
                f"{exported.file.study}/{exported.file.name}, {title}: {len(agrees_R):,} test rows "
                f"must score as in training, but {(~agrees_R).sum():,} do not: a logit differs by "
                f"up to {largest:.3g}; nothing is exported",
                remedy="launch the study again under another name if its rows or the versions of "
                "its libraries have changed, and export that one; else report it",
            )
        largest = max(largest, float(difference_RT.max(initial=0.0)))
    return largest


def _notes(encoder: Encoder, check: str, files: TrainedFiles) -> list[str]:
    """Notes for users of the exported model."""
    notes: list[str] = []
    if encoder.log is not None:
        notes += notes_of_log(encoder.inputs, encoder.log)
    if encoder.matches is not None:
        notes.append(
            "What is known of lists (users' entries, attributes of items) is of training rows; "
            "a row brings its own lists."
        )
    notes.append(check)
    if files.is_refitted:
        notes.append(REFITTED)
    return notes


def _model_file(
    stored: LoadedStudy,
    what: ExportChoice,
    configs: Mapping[tuple[str, int], TrialConfig],
    encoder: Encoder,
    rows: Rows,
) -> ModelFile:
    seeds: dict[tuple[str, int], list[WeightedSeed]] = {}
    for member in what.members:
        seed = WeightedSeed(seed=member.run.seed, weight=member.weight)
        seeds.setdefault((member.run.arm, member.run.trial_number), []).append(seed)
    models = [
        ModelOfFile(
            arm=arm,
            trial=trial,
            model=config.model_name,
            settings=config.sections,
            seeds=tuple(seeds[arm, trial]),
        )
        for (arm, trial), config in configs.items()
    ]
    validation = _sample_rows(stored, rows, "valid", MAX_ROWS_OF_VALIDATION)
    return ModelFile(
        format=FORMAT,
        study=stored.record.name,
        name=what.name,
        scale=what.scale,
        models=tuple(models),
        inputs=encoder.inputs,
        data=stored.record.data.fingerprint,
        versions=dict(stored.record.versions),
        calibration=calibrated_cells(what.calibration),
        tasks=stored.study.spec.data.tasks,
        unseen=encoder.unseen_shares(validation.raw),
    )
