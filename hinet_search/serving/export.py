"""Export: write an arm, a student or the ensemble of a study as a folder, checked on test rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hinet_search.common.errors import ConfigurationError, EnvironmentFault
from hinet_search.data.rows import read_rows
from hinet_search.data.sample import with_sample
from hinet_search.results.ensemble_records import Member, RunKey
from hinet_search.results.statistics.ensemble import RunningMean
from hinet_search.serving.choice import ExportChoice
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.model_file import (
    FORMAT,
    ModelFile,
    ModelOfFile,
    WeightedSeed,
    calibrated_cells,
)
from hinet_search.serving.rebuild import (
    LoadedStudy,
    config_of,
    encoder_of,
)
from hinet_search.serving.sealed import MANIFEST
from hinet_search.serving.write_folder import (
    FolderContent,
    KnownScores,
    Verification,
    sample_test_rows,
    write_folder,
)
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
        names = [name for name in self.files if "/" not in name and name not in left_out]
        return {name: self.files[name] for name in names}

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
        titles = {path: f"the scores of {_title(run)}" for run, path in self.weights.items()}
        return {scores_path(path): title for path, title in titles.items()}

    def scores_of_test(self) -> Iterator[KnownScores]:
        """Read the scores of the test split: one for every seed, or that of the ensemble.

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
    stored: LoadedStudy,
    what: ExportChoice,
    folder: Path,
    write_card: Card,
    *,
    onnx: bool,
) -> Export:
    """Write the folder atomically; notes for the card include the result of the check.

    With `onnx` its one model is written as a graph too.
    Errors: EnvironmentFault when weights or scores of the study are missing; DataError when one of
    these files is damaged, or a weight is not finite; those of `write_folder`.
    """
    configs = {(run.arm, run.trial_number): config_of(stored, run) for run in what.runs}
    features = [config.features for config in configs.values()]
    files = files_of(stored, what)
    for path in files.weights.values():
        read_weights(path, LAUNCH_AGAIN)  # an error names the original
    scores = list(files.scores_of_test())
    definition = stored.study.spec.data
    study_folder = stored.study.folder
    cache = stored.dataset.folder.parent
    rows = read_rows(definition, study_folder, cache)
    rows = with_sample(rows, definition, stored.dataset.record.sampled_share)
    rows = rows.with_distinct_ids(definition.features.distinct_by_scenario)
    encoder = encoder_of(stored, features, rows)
    sample = sample_test_rows(definition, study_folder, cache, rows)
    file = _model_file(stored, what, configs, encoder)
    written = write_folder(
        folder,
        FolderContent(
            file=file,
            encoder=encoder,
            weights=[files.weights[member.run] for member in file.members],
            onnx=onnx,
        ),
        sample,
        scores,
        lambda checked: write_card(what, _notes(encoder, checked, files)),
    )
    return Export(
        folder=folder,
        study=file.study,
        arm=file.name,
        trial=what.trial,
        seeds=what.seeds,
        members=file.members,
        why=what.why,
        files=written.files,
        checked_rows=written.checked.rows,
        max_difference=written.checked.difference,
        graph=written.graph,
    )


def _notes(encoder: Encoder, checked: Verification, files: TrainedFiles) -> list[str]:
    check = (
        f"Checked at export: {checked.rows:,} test rows, read from the study's source, score as in "
        f"training; the largest difference of a logit is {checked.difference:.2g}."
    )
    predicted = encoder.inputs.predicted.capitalize()
    calibration = files.what.calibration
    calibrated = f"{predicted} are as the models give them: they are not calibrated."
    if calibration is not None:
        changed = len(calibrated_cells(calibration))
        calibrated = (
            f"{predicted} are calibrated on validation in {changed} of {len(calibration.cells)} "
            "cells; in the others no gain was shown. Metrics on test are those before calibration."
        )
    notes = [*encoder.history.notes(encoder.inputs), calibrated, check]
    if files.is_refitted:
        notes.append(REFITTED)
    return notes


def _model_file(
    stored: LoadedStudy,
    what: ExportChoice,
    configs: Mapping[tuple[str, int], TrialConfig],
    encoder: Encoder,
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
    data = stored.study.spec.data
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
        tasks=data.tasks,
    )
