"""Export: the chosen finalist of an arm as a folder that serves new rows, checked against what training left."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from hinet_search import disk
from hinet_search.config import TrialConfig
from hinet_search.data.rows import read_rows
from hinet_search.errors import ConfigurationError, EnvironmentFault
from hinet_search.serving.choice import Chosen
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.folder import CARD, FORMAT, MANIFEST, ModelFile, open_folder, seal, write_config, write_tables
from hinet_search.serving.recipe import Stored, config_of, encoder_of
from hinet_search.serving.replay import Replayed, replay, rows_of_test
from hinet_search.trial import scores_path, weights_path

Card = Callable[[Chosen, Sequence[str]], str]  # what is exported and what there is to say of it, as Markdown


@dataclass(frozen=True)
class Export:
    """What was written: `files` with their bytes, and how test rows scored from there."""

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
        """Those at the top of the folder, but for the hashes."""
        return [name for name in self.files if "/" not in name and name != MANIFEST]


def refuse_full(folder: Path) -> None:
    """ConfigurationError when something stands where the folder is to be, but for an empty folder."""
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists():
        raise ConfigurationError(
            f"{folder}: must be a new or an empty folder, but something is there", remedy="name another folder with -o"
        )


def export(stored: Stored, what: Chosen, folder: Path, write_card: Card) -> Export:
    """Write the folder, whole or not at all; the card is told what the check covers.

    Errors: EnvironmentFault when weights or scores of the study are gone or the folder cannot be written, DataError when
    test rows do not score as in training.
    """
    weights = _files(stored, what)
    definition, place = stored.study.spec.data, stored.study.folder
    rows = read_rows(definition, place, stored.dataset.folder.parent)
    config = config_of(stored, what)
    encoder = encoder_of(stored, config, rows)
    raw, place_R = rows_of_test(definition, place, rows)
    file = _model_file(stored, what, config, encoder)
    size = sum(path.stat().st_size for path in weights)
    try:
        with disk.replacing_folder(folder, size) as part:
            for path, name in zip(weights, file.weight_files, strict=True):
                shutil.copyfile(path, part / name)
            write_tables(part, encoder)
            write_config(part, file)
            seal(part)
            again = open_folder(part, torch.device("cpu"))
            checked = replay(again, raw, place_R, [scores_path(path) for path in weights])
            (part / CARD).write_text(write_card(what, _notes(encoder, checked)), encoding="utf-8")
    except OSError as error:
        raise EnvironmentFault(
            f"{folder}: cannot be written: {error.strerror}", remedy="name another with -o"
        ) from error
    found = {
        path.relative_to(folder).as_posix(): path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()
    }
    return Export(
        folder=folder,
        study=file.study,
        arm=file.arm,
        trial=file.trial,
        seeds=file.seeds,
        why=what.why,
        files=found,
        checked_rows=checked.rows,
        max_difference=checked.difference,
    )


def _files(stored: Stored, what: Chosen) -> list[Path]:
    """The weights of every seed, beside which lie its scores."""
    number, arm = what.finalist.trial_number, what.arm.name
    weights = [weights_path(stored.artifacts, arm, number, seed) for seed in what.seeds]
    gone = [path for one in weights for path in (one, scores_path(one)) if not path.is_file()]
    if gone:
        raise EnvironmentFault(
            *(f"{path}: must be there from the study's launch, but is not" for path in gone),
            remedy="name the folder of the launch with --output; if its files were removed, launch the study under another name",
        )
    return weights


def _notes(encoder: Encoder, checked: Replayed) -> list[str]:
    largest = f"the largest difference of a logit is {checked.difference:.2g}"
    return [
        *encoder.history.notes(encoder.inputs),
        f"Checked at export: {checked.rows:,} test rows, read from the study's source, score as in training; {largest}.",
    ]


def _model_file(stored: Stored, what: Chosen, config: TrialConfig, encoder: Encoder) -> ModelFile:
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
