"""Write: what another library trains, as a folder of its configuration, encoded rows and notes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from hinet_search.common.errors import ConfigurationError, EnvironmentFault
from hinet_search.common.files import replacing_folder
from hinet_search.common.plugins import load
from hinet_search.data.columns import SPLITS, Columns, Dataset
from hinet_search.data.definition_text import printable
from hinet_search.data.peers.rules import Unread
from hinet_search.serving.model_folder import ExportedModel, open_folder
from hinet_search.serving.peers.rows import write_rows, write_vocabularies
from hinet_search.serving.peers.winner import Winner, winner_of
from hinet_search.training.trial_config import whole_config

FORMATS = "hinet_search.serving.peers.formats"
NOTES = "NOTES.md"
NO_ROWS = (
    "This was written from an exported model, which has no rows. Export the study to get them, or "
    "put encoded rows there: ids as in feature_vocab.json, numbers scaled as in the model's "
    "config.yaml.\n"
)


@dataclass(frozen=True)
class PeerExport:
    """What was written: files by name with their bytes, and what their configuration cannot say.

    `num_rows` are those of every split that was written.
    """

    folder: Path
    library: str
    study: str
    arm: str
    files: dict[str, int]
    num_rows: dict[str, int]
    unsaid: tuple[str, ...]


def write_for_peer(library: str, model: Path, dataset: Dataset | None, folder: Path) -> PeerExport:
    """Write an exported model for a library, completely or not at all, with the rows of its data.

    Errors: those of `open_folder`; ConfigurationError if the library cannot have it;
    EnvironmentFault if the folder cannot be written.
    """
    kind = load(FORMATS, library)
    exported = open_folder(model, torch.device("cpu"))
    rows = {} if dataset is None else encoded_rows(exported, dataset)
    winner = winner_of(exported, rows)
    name = kind.name_of(winner)
    home = folder.absolute()
    try:
        with replacing_folder(folder, None) as part:
            encoded = part / winner.name
            encoded.mkdir()
            unsaid = [*kind.write(winner, part, home), *winner.untold]
            vocabularies = encoded / "feature_vocab.json"
            write_vocabularies(vocabularies, winner.columns, exported.encoder, kind.OFFSET)
            for split, columns in rows.items():
                write_rows(encoded / f"{split}.parquet", winner.columns, columns, kind.OFFSET)
            usage = kind.NOTE.format(folder=home, name=name)
            (part / NOTES).write_text(_notes(winner, usage, unsaid), encoding="utf-8")
    except OSError as error:
        raise EnvironmentFault(
            f"{folder}: cannot be written: {error.strerror}", remedy="name another with -o"
        ) from error
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return PeerExport(
        folder=folder,
        library=library,
        study=exported.file.study,
        arm=exported.file.name,
        files={path.relative_to(folder).as_posix(): path.stat().st_size for path in paths},
        num_rows={split: columns.num_rows for split, columns in rows.items()},
        unsaid=tuple(each.in_words for each in unsaid),
    )


def refuse_choice(model: Path, given: Mapping[str, object]) -> None:
    """ConfigurationError if something is given that chooses a part of a study."""
    named = [name for name, value in given.items() if value]
    if named:
        raise ConfigurationError(
            f"{model}: an exported model must be written as it is, got {', '.join(named)}",
            remedy="leave that out, or name the study",
        )


def encoded_rows(exported: ExportedModel, dataset: Dataset) -> Mapping[str, Columns]:
    """Return the rows of every split with the inputs that the first network reads."""
    model = exported.file.models[0]
    view, _ = whole_config(model.model, model.settings).features.view(dataset)
    return {split: getattr(view, split) for split in SPLITS}


def _notes(winner: Winner, usage: str, unsaid: list[Unread]) -> str:
    """Return what is to be known beside the configuration, as Markdown."""
    parts = [f"# {printable(winner.title)}\n", usage]
    if not winner.rows:
        parts.append(NO_ROWS)
    parts.append("Paths are absolute: change them if the folder moves.\n")
    renamed = [
        f"- {printable(origin)} is {name}\n" for origin, name in winner.columns.renamed.items()
    ]
    if renamed:
        parts.append(f"Columns with other names:\n\n{''.join(renamed)}")
    words = [f"- {printable(each.in_words)}\n" for each in unsaid]
    parts.append(f"What is not said there, or is otherwise:\n\n{''.join(words) or '- nothing'}")
    return "\n".join(parts)
