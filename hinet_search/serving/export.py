"""Export: write an arm, a student or the ensemble of a study as a folder, checked on test rows."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from hinet_search.common.errors import ConfigurationError, EnvironmentFault
from hinet_search.common.files import replacing_folder
from hinet_search.data.columns import Columns
from hinet_search.data.rows import read_rows
from hinet_search.results.ensemble_records import Member
from hinet_search.serving.choice import ExportChoice, GraphChoice
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.lineage import StudyRows
from hinet_search.serving.model_file import (
    FORMAT,
    ModelFile,
    ModelOfFile,
    WeightedSeed,
    calibrated_cells,
)
from hinet_search.serving.model_folder import (
    CARD,
    ExportedModel,
    open_folder,
    write_config,
    write_tables,
)
from hinet_search.serving.profile import profile_of, write_profile
from hinet_search.serving.rebuild import (
    LoadedStudy,
    config_of,
    encoder_of,
    valid_columns,
)
from hinet_search.serving.sealed import MANIFEST, PROFILE, seal
from hinet_search.serving.trained_files import TrainedFiles, files_of
from hinet_search.serving.verify import (
    TestSample,
    Verification,
    sample_test_rows,
    verify_scores,
)
from hinet_search.training.jobs.score import LAUNCH_AGAIN
from hinet_search.training.tensors import read_weights
from hinet_search.training.trial_config import TrialConfig

if TYPE_CHECKING:
    from hinet_search.serving.compiled.write import Compilation

REFITTED = (
    "Trained again on the rows of train and validation together, for as many steps as were best on "
    "validation. Metrics on test are those of the model before, whose training had fewer rows."
)

# Writes the card of an export as Markdown, from what is exported and notes about it.
Card = Callable[[ExportChoice, Sequence[str]], str]


@dataclass(frozen=True)
class Export:
    """What was written: `files` by name with their bytes, and the result of the check.

    `arm` is the arm, the student or `ensemble`, which has no `trial`. `compiled` are the graphs, if
    any were asked for.
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
    compiled: "Compilation | None" = None

    @property
    def main_files(self) -> dict[str, int]:
        """Bytes of the main files at the top of the folder, without weights of several members."""
        left_out = {MANIFEST, PROFILE, *(self.weight_files if len(self.members) > 1 else ())}
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


def export(
    stored: LoadedStudy,
    what: ExportChoice,
    folder: Path,
    write_card: Card,
    graphs: GraphChoice,
) -> Export:
    """Write the folder atomically; notes for the card include the result of the check.

    Graphs of each format are written too. Errors: EnvironmentFault when weights or scores of
    the study are missing or the folder cannot be written; DataError when one of these files is
    damaged, a weight is not finite, or test rows do not score as in training; those of
    `write_compiled` and `narrowed`.
    """
    configs = {_finalist(member): config_of(stored, member.run) for member in what.members}
    features = [config.features for config in configs.values()]
    files = files_of(stored, what)
    for path in files.weights.values():
        read_weights(path, LAUNCH_AGAIN)  # an error names the original
    scores = list(files.scores_of_test())
    definition, study_folder = stored.study.spec.data, stored.study.folder
    cache = stored.dataset.folder.parent
    rows = read_rows(definition, study_folder, cache)
    rows = rows.with_distinct_ids(definition.features.distinct_by_scenario)
    encoder = encoder_of(stored, features, rows)
    sample = sample_test_rows(definition, study_folder, cache, rows, encoder)
    file = _model_file(stored, what, configs, encoder)
    weights = [files.weights[member.run] for member in file.members]
    size = sum(path.stat().st_size for path in weights)
    try:
        with replacing_folder(folder, size) as part:
            for path, name in zip(weights, file.weight_files, strict=True):
                shutil.copyfile(path, part / name)
            write_tables(part, encoder)
            write_config(part, file)
            write_profile(part, profile_of(stored.dataset, encoder.schema, definition.tasks))
            seal(part)
            exported = open_folder(part, torch.device("cpu"))
            checked = verify_scores(exported, sample, scores)
            notes = _notes(encoder, checked, files)
            (part / CARD).write_text(write_card(what, notes), encoding="utf-8")
            compiled = _compiled(exported, graphs, sample, lambda: valid_columns(stored, features))
    except OSError as error:
        raise EnvironmentFault(
            f"{folder}: cannot be written: {error.strerror}", remedy="name another with -o"
        ) from error
    return replace(_written(folder, file, what, checked), compiled=compiled)


def _compiled(
    exported: ExportedModel,
    graphs: GraphChoice,
    sample: TestSample,
    read_valid: Callable[[], Columns],
) -> "Compilation | None":
    if not graphs.formats:
        return None
    from hinet_search.serving.compiled.weights import cost_of, narrowed
    from hinet_search.serving.compiled.write import write_compiled  # half a second

    narrow = narrowed(exported, graphs.weights)
    compiled = write_compiled(narrow, exported.folder, graphs, sample.raw, sample.log)
    if narrow is exported:
        return compiled
    cost = cost_of(exported, narrow, graphs.weights, read_valid())
    return replace(compiled, cost=cost)


def _written(folder: Path, file: ModelFile, what: ExportChoice, checked: Verification) -> Export:
    written = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return Export(
        folder=folder,
        study=file.study,
        arm=file.name,
        trial=what.trial,
        seeds=what.seeds,
        members=file.members,
        why=what.why,
        files={path.relative_to(folder).as_posix(): path.stat().st_size for path in written},
        checked_rows=checked.rows,
        max_difference=checked.difference,
    )


def _finalist(member: Member) -> tuple[str, int]:
    return member.run.arm, member.run.trial_number


def _notes(encoder: Encoder, checked: Verification, files: TrainedFiles) -> list[str]:
    check = (
        f"Checked at export: {checked.rows:,} test rows, read from the study's source, score as in "
        f"training; the largest difference of a logit is {checked.difference:.2g}."
    )
    notes = [
        *encoder.history.notes(encoder.inputs),
        _calibration(files.what, encoder.inputs),
        check,
    ]
    return [*notes, REFITTED] if files.is_refitted else notes


def _calibration(what: ExportChoice, inputs: Inputs) -> str:
    predicted = inputs.predicted.capitalize()
    if what.calibration is None:
        return f"{predicted} are as the models give them: they are not calibrated."
    cells = len(what.calibration.cells)
    changed = len(calibrated_cells(what.calibration))
    return (
        f"{predicted} are calibrated on validation in {changed} of {cells} cells; in the others "
        "no gain was shown. Metrics on test are those before calibration."
    )


def _model_file(
    stored: LoadedStudy,
    what: ExportChoice,
    configs: Mapping[tuple[str, int], TrialConfig],
    encoder: Encoder,
) -> ModelFile:
    models = [
        ModelOfFile(
            arm=arm,
            trial=trial,
            model=config.model_name,
            settings=config.sections,
            seeds=tuple(
                WeightedSeed(seed=member.run.seed, weight=member.weight)
                for member in what.members
                if _finalist(member) == (arm, trial)
            ),
        )
        for (arm, trial), config in configs.items()
    ]
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
        rows=_study_rows(stored, what),
    )


def _study_rows(stored: LoadedStudy, what: ExportChoice) -> StudyRows:
    spec = stored.study.spec
    return StudyRows(
        user=spec.data.user,
        time=spec.data.time,
        minimum_frequency=spec.data.minimum_frequency,
        objective=stored.record.objective,
        calibrated=what.calibration is not None,
    )
