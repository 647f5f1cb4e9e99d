"""Fit again: train an exported model on newer rows, and write what it became as a new folder.

It is written unless it is shown to be worse than the shipped model on the newest rows, which it
does not learn from. The refit of a study is another thing: it learns from the study's own rows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.common.errors import ConfigurationError, DataError
from hinet_search.common.versions import versions
from hinet_search.results.calibration_records import Calibration, Calibrator
from hinet_search.results.cells import CellName
from hinet_search.results.objectives import objective_named
from hinet_search.results.statistics.calibrators import apply, calibrate
from hinet_search.results.statistics.paired_difference import Direction
from hinet_search.serving.export import refuse_full
from hinet_search.serving.model_file import ModelFile, NewerFit, calibrated_cells
from hinet_search.serving.model_folder import (
    ExportedMember,
    ExportedModel,
    average,
    calibrated_logits,
)
from hinet_search.serving.newer.card import calibration_note, newer_card, verdict_of
from hinet_search.serving.newer.comparison import (
    CellChange,
    Comparison,
    compare,
    measure,
    refuse_unmeasured,
)
from hinet_search.serving.newer.fit import FittedMember, dataset_of, fit_members, refuse_staged
from hinet_search.serving.newer.forgetting import refuse_days, refuse_strange_days
from hinet_search.serving.newer.growth import GrownEncoder, counted_again, grow
from hinet_search.serving.newer.rows import NewerRows, read_newer_rows
from hinet_search.serving.predict import memory_explained
from hinet_search.serving.profile import profile_of
from hinet_search.serving.sealed import manifest_hash
from hinet_search.serving.write_folder import (
    MAX_ROWS,
    FolderContent,
    KnownScores,
    RowSample,
    Verification,
    WrittenFolder,
    write_folder,
)
from hinet_search.training.trainable import Network, StagedModel
from hinet_search.training.trial_config import whole_config

HELD_OUT = 0.2
MAX_RATE = 10.0
CALIBRATION_SEED = 0  # of the folds by which calibrators are chosen


@dataclass(frozen=True)
class FitOptions:
    """How to fit again.

    `held_out` is the share of the rows that is not learned from: a half decides how long to train,
    the other whether the result is written. `learning_rate` replaces that of every member's
    configuration; 0 leaves the weights and continues vocabularies, statistics and calibration
    alone. Ids that no row has had for `forget_after` days are forgotten, None for no id.
    """

    held_out: float = HELD_OUT
    learning_rate: float | None = None
    even_if_worse: bool = False
    forget_after: int | None = None


@dataclass(frozen=True)
class NewerModel:
    """What became of a model on newer rows, against the shipped one on held-out rows that judge.

    `rows` are labelled, `held_out` of them and `judging` of these; `unlabelled` others are left
    out. `new_ids` and `forgotten_ids` count by column or list, `passes` are those of every member.
    `gain` has a 95 % interval over the `units`, its ends None if they are too few; `mark` is better
    or worse only if it excludes 0. `files` with their bytes are empty if the model is shown to be
    worse and therefore not written, and so is the check.
    """

    folder: Path
    model: str
    parent: str
    rows: int
    held_out: int
    judging: int
    units: str
    unlabelled: int
    new_ids: dict[str, int]
    forgotten_ids: dict[str, int]
    passes: tuple[float, ...]
    objective: str
    before: float
    after: float
    gain: float
    gain_low: float | None
    gain_high: float | None
    mark: Direction
    cells: tuple[CellChange, ...]
    verdict: str
    files: dict[str, int]
    checked_rows: int = 0
    max_difference: float = 0.0

    @property
    def is_worse(self) -> bool:
        """Whether it is shown to be worse than the shipped model."""
        return self.mark == "worse"

    @property
    def is_written(self) -> bool:
        """Whether there is a new folder."""
        return bool(self.files)


def fit_again(
    exported: ExportedModel, path: str, to: Path, options: FitOptions, say: Callable[[str], None]
) -> NewerModel:
    """Fit an exported model on a table's rows, and write a folder unless it is shown to be worse.

    `say` is called with a line before each long step and after each evaluation.
    Errors: ConfigurationError for options out of range and for models that are no networks;
    DataError for wrong rows and for a training that diverges;
    EnvironmentFault if memory runs out or the folder cannot be written.
    """
    refuse_unfit(exported, to, options)
    with memory_explained(exported, path):
        say(f"reading {path}")
        newer = read_newer_rows(exported, path, options.held_out, to.absolute().parent)
        if has_learned(exported, newer):  # labels would count twice
            raise DataError(
                f"{path}: must be rows that {exported.folder} has not learned from, but it has",
                remedy="name newer rows, or the folder from before its fit on these",
            )
        return fit_rows(exported, newer, to, options, say)


def refuse_unfit(exported: ExportedModel, to: Path, options: FitOptions) -> None:
    """ConfigurationError for a model that cannot be fit again, a full folder and wrong options."""
    _refuse_options(options)
    refuse_days(exported, options.forget_after)
    refuse_full(to)
    refuse_staged(exported)


def has_learned(exported: ExportedModel, newer: NewerRows) -> bool:
    """Whether a fit on newer rows, which led to this model, was on these."""
    return any(fit.rows == newer.digest for fit in exported.file.newer)


def fit_rows(
    exported: ExportedModel,
    newer: NewerRows,
    to: Path,
    options: FitOptions,
    say: Callable[[str], None],
) -> NewerModel:
    """Do what `fit_again` does with rows that were read; their memory is explained outside."""
    fit = _fit(exported, newer, options, say)
    made = _newer_model(exported, to, fit)
    if made.is_worse and not options.even_if_worse:
        return made
    written = _write(exported, made, fit, options)
    return replace(
        made,
        files=written.files,
        checked_rows=written.checked.rows,
        max_difference=written.checked.difference,
    )


def _refuse_options(options: FitOptions) -> None:
    if not 0 < options.held_out < 1:
        raise ConfigurationError(
            f"held_out must be a share of the rows between 0 and 1, got {options.held_out:g}"
        )
    rate = options.learning_rate
    if rate is not None and not 0 <= rate <= MAX_RATE:
        raise ConfigurationError(f"learning_rate must be 0 to {MAX_RATE:g}, got {rate:g}")


@dataclass(frozen=True)
class _Fit:
    """A fit on newer rows: the grown encoder, the members, and what they are worth."""

    newer: NewerRows
    grown: GrownEncoder
    fitted: tuple[FittedMember, ...]
    calibration: Calibration | None
    comparison: Comparison

    @property
    def members(self) -> tuple[ExportedMember, ...]:
        """The members after the fit."""
        return tuple(each.member for each in self.fitted)


def _fit(
    exported: ExportedModel, newer: NewerRows, options: FitOptions, say: Callable[[str], None]
) -> _Fit:
    study_rows = exported.file.rows
    objective = objective_named(study_rows.objective)
    warning = counted_again(exported.encoder, newer)
    if warning:
        say(f"!!  {warning}")
    configs = [whole_config(model.model, model.settings) for model in exported.file.models]
    # How often rows must have a value so that some model gives it an embedding.
    of_models = min(config.features.minimum_frequency for config in configs)
    minimum_frequency = max(study_rows.minimum_frequency, of_models)
    if options.forget_after is not None:
        refuse_strange_days(exported.encoder, newer, options.forget_after)
    grown = grow(exported.encoder, newer, minimum_frequency, options.forget_after)
    cells = exported.file.inputs.cells
    for part in (grown.choosing, grown.judging):
        refuse_unmeasured(objective, part, cells, newer.path)
    before = measure(
        objective, _shipped_logits(exported, newer, grown), grown.judging, cells, newer.path
    )
    say(
        f"learning from {grown.learned.num_rows:,} rows, {newer.num_held_out:,} are held out: "
        f"{grown.choosing.num_rows:,} choose when to stop, {grown.judging.num_rows:,} judge"
    )
    fitted = tuple(fit_members(exported, grown, objective, options.learning_rate, say))
    members = tuple(each.member for each in fitted)
    calibration = None
    calibrators: Mapping[CellName, Calibrator] = {}
    if study_rows.calibrated:
        calibration = _calibration(exported, members, grown)
        calibrators = calibration.calibrators
    raw_RT = average(members, exported.file, grown.judging)
    after_RT = apply(calibrators, cells, raw_RT, grown.judging.scenario_R)
    after = measure(objective, after_RT, grown.judging, cells, newer.path)
    comparison = compare(objective, grown.judging, cells, before, after)
    return _Fit(newer, grown, fitted, calibration, comparison)


def _shipped_logits(
    exported: ExportedModel, newer: NewerRows, grown: GrownEncoder
) -> NDArray[np.float32]:
    """Logits (R, T) of the judging rows by the shipped folder, which see the log of their time."""
    frame = newer.frame.filter(pl.Series(newer.is_judging_R))
    log = grown.log_of_held_out.where(grown.is_judging_R)
    return calibrated_logits(exported, exported.encoder.columns(frame, log))


def _calibration(
    exported: ExportedModel, members: tuple[ExportedMember, ...], grown: GrownEncoder
) -> Calibration:
    """A cell keeps its calibrator unless another is shown to be better on rows that choose."""
    choosing = grown.choosing
    return calibrate(
        average(members, exported.file, choosing),
        choosing.labels_RT,
        choosing.scenario_R,
        choosing.user_R,
        exported.file.inputs.cells,
        seed=CALIBRATION_SEED,
        kept=exported.file.calibrators,
    )


def _newer_model(exported: ExportedModel, to: Path, fit: _Fit) -> NewerModel:
    newer = fit.newer
    comparison = fit.comparison
    return NewerModel(
        folder=to,
        model=f"{exported.file.study}/{exported.file.name}",
        parent=manifest_hash(exported.folder),
        rows=len(newer.frame),
        held_out=newer.num_held_out,
        judging=comparison.num_rows,
        units=comparison.units,
        unlabelled=newer.num_unlabelled,
        new_ids=fit.grown.num_new_ids,
        forgotten_ids=fit.grown.num_forgotten_ids,
        passes=tuple(each.passes for each in fit.fitted),
        objective=comparison.objective.name,
        before=comparison.before,
        after=comparison.after,
        gain=comparison.gain.mean,
        gain_low=comparison.gain.low,
        gain_high=comparison.gain.high,
        mark=comparison.gain.direction,
        cells=comparison.cells,
        verdict=verdict_of(comparison),
        files={},
    )


def _write(
    exported: ExportedModel,
    made: NewerModel,
    fit: _Fit,
    options: FitOptions,
) -> WrittenFolder:
    """Write the fitted model; some of the held-out rows must score from the folder as now."""
    file = _model_file(exported.file, made, fit, options.learning_rate)
    encoder = fit.grown.encoder
    tasks = exported.profile.tasks
    weights = []
    for member in fit.members:
        assert isinstance(member.model, Network | StagedModel), "members are networks or staged"
        weights.append(member.model.model.state_dict())
    sample = _sample(fit)
    columns = encoder.columns(sample.raw, sample.log)
    return write_folder(
        made.folder,
        FolderContent(
            file=file,
            encoder=encoder,
            profile=profile_of(dataset_of(fit.grown, fit.grown.held_out), encoder.schema, tasks),
            weights=weights,
        ),
        sample,
        [KnownScores(None, average(fit.members, file, columns))],
        lambda checked: _card(exported, made, fit, file, checked),
    )


def _sample(fit: _Fit) -> RowSample:
    """Evenly spaced ones of the held-out rows, as they were read."""
    held_out = fit.newer.frame.filter(pl.Series(fit.newer.is_held_out_R))
    spaced = np.linspace(0, len(held_out) - 1, min(MAX_ROWS, len(held_out)))
    chosen = np.unique(spaced.astype(np.intp))
    return RowSample(
        raw=held_out[chosen],
        position_R=np.arange(len(chosen)),
        log=fit.grown.log_of_held_out.of(chosen),
        how="held-out rows must score from the folder as from memory",
        remedy="try again; if it happens again, report it",
    )


def _card(
    exported: ExportedModel, made: NewerModel, fit: _Fit, file: ModelFile, checked: Verification
) -> str:
    encoder = fit.grown.encoder
    warning = counted_again(exported.encoder, fit.newer)
    notes = list[str]()
    if warning:
        notes.append(f"{warning}.")
    notes += encoder.history.notes(encoder.inputs, with_newer=True)
    notes.append(calibration_note(file, fit.calibration))
    notes.append(f"Checked when written: {checked.rows:,} held-out rows score from it as before.")
    ids = {"New ids": made.new_ids, "Forgotten ids": made.forgotten_ids}
    return newer_card(file, fit.comparison, ids, made.unlabelled, notes)


def _model_file(
    before: ModelFile, made: NewerModel, fit: _Fit, learning_rate: float | None
) -> ModelFile:
    """The content of config.yaml: as before, with the new calibration and this fit."""
    newer_fit = NewerFit(
        parent=made.parent,
        rows=fit.newer.digest,
        num_rows=made.rows,
        num_held_out=made.held_out,
        first=fit.newer.first,
        last=fit.newer.last,
        learning_rate=learning_rate,
        passes=made.passes,
        objective_before=made.before,
        objective_after=made.after,
        gain_low=made.gain_low,
        gain_high=made.gain_high,
    )
    update = {
        "calibration": calibrated_cells(fit.calibration),
        "newer": (*before.newer, newer_fit),
        "versions": dict(versions()),
    }
    return before.model_copy(update=update)
