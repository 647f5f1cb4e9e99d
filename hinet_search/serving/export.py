"""Export: write an arm, a student or the ensemble of a study as a folder, checked on test rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hinet_search.common.errors import ConfigurationError
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
from hinet_search.serving.profile import profile_of
from hinet_search.serving.rebuild import (
    LoadedStudy,
    config_of,
    encoder_of,
    valid_columns,
)
from hinet_search.serving.sealed import MANIFEST, PROFILE
from hinet_search.serving.trained_files import TrainedFiles, files_of
from hinet_search.serving.verify import Verification, sample_test_rows
from hinet_search.serving.write_folder import FolderContent, write_folder
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
    the study are missing; DataError when one of these files is damaged, or a weight is not finite;
    those of `write_folder`.
    """
    configs = {_finalist(member): config_of(stored, member.run) for member in what.members}
    features = [config.features for config in configs.values()]
    files = files_of(stored, what)
    for path in files.weights.values():
        read_weights(path, LAUNCH_AGAIN)  # an error names the original
    scores = list(files.scores_of_test())
    definition = stored.study.spec.data
    study_folder = stored.study.folder
    cache = stored.dataset.folder.parent
    rows = read_rows(definition, study_folder, cache)
    rows = rows.with_distinct_ids(definition.features.distinct_by_scenario)
    encoder = encoder_of(stored, features, rows)
    sample = sample_test_rows(definition, study_folder, cache, rows, encoder)
    file = _model_file(stored, what, configs, encoder)
    written = write_folder(
        folder,
        FolderContent(
            file=file,
            encoder=encoder,
            profile=profile_of(stored.dataset, encoder.schema, definition.tasks),
            weights=[files.weights[member.run] for member in file.members],
            graphs=graphs,
            read_valid=lambda: valid_columns(stored, features),
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
        compiled=written.compiled,
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
