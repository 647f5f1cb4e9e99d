"""Write: a fitted model as a new folder, which opens as an exported one.

Shape legend: R rows, T tasks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch
from torch import Tensor

from hinet_search.common.errors import DataError, EnvironmentFault
from hinet_search.common.files import replacing_folder
from hinet_search.serving.choice import GraphChoice
from hinet_search.serving.history import RolledInputs
from hinet_search.serving.members import ExportedMember, average
from hinet_search.serving.model_folder import (
    CARD,
    ExportedModel,
    open_folder,
    write_config,
    write_tables,
)
from hinet_search.serving.profile import Profile, write_profile
from hinet_search.serving.sealed import seal
from hinet_search.serving.verify import MAX_ROWS, TOLERANCE, Verification
from hinet_search.training.tensors import save_tensors
from hinet_search.training.trainable import Network, StagedModel

if TYPE_CHECKING:
    from hinet_search.serving.compiled.write import Compilation


@dataclass(frozen=True)
class WrittenFolder:
    """The files of a folder with their bytes, the check of its scores, and its graphs, if any."""

    files: dict[str, int]
    checked: Verification
    compiled: "Compilation | None"


def write_newer(
    model: ExportedModel,
    profile: Profile,
    frame: pl.DataFrame,
    log: RolledInputs,
    write_card: Callable[[Verification], str],
    formats: Sequence[str],
) -> WrittenFolder:
    """Write a model in memory as its folder, completely or not at all.

    Rows of `frame`, as checked, must score from the written folder as from memory; `log` is what
    they see of the log.
    Errors: DataError if they do not, EnvironmentFault if the folder cannot be written, and those of
    `write_compiled` for graphs of the `formats`.
    """
    spaced = np.linspace(0, len(frame) - 1, min(MAX_ROWS, len(frame)))
    is_chosen = np.zeros(len(frame), dtype=np.bool_)
    is_chosen[spaced.astype(np.intp)] = True
    raw, log = frame.filter(pl.Series(is_chosen)), log.where(is_chosen)
    try:
        with replacing_folder(model.folder, _size(model)) as part:
            for member, name in zip(model.members, model.file.weight_files, strict=True):
                save_tensors(_weights(member), part / name)
            write_tables(part, model.encoder)
            write_config(part, model.file)
            write_profile(part, profile)
            seal(part)
            written = open_folder(part, torch.device("cpu"))
            checked = _check(model, written, raw, log)
            (part / CARD).write_text(write_card(checked), encoding="utf-8")
            compiled = _compiled(written, part, formats, raw, log)
    except OSError as error:
        raise EnvironmentFault(
            f"{model.folder}: cannot be written: {error.strerror}", remedy="name another with -o"
        ) from error
    paths = [path for path in sorted(model.folder.rglob("*")) if path.is_file()]
    files = {path.relative_to(model.folder).as_posix(): path.stat().st_size for path in paths}
    return WrittenFolder(files, checked, compiled)


def _weights(member: ExportedMember) -> dict[str, Tensor]:
    assert isinstance(member.model, Network | StagedModel), "members are networks or staged"
    return member.model.model.state_dict()


def _size(model: ExportedModel) -> int:
    return sum(tensor.nbytes for member in model.members for tensor in _weights(member).values())


def _check(
    model: ExportedModel, written: ExportedModel, raw: pl.DataFrame, log: RolledInputs
) -> Verification:
    file = model.file
    expected_RT = average(model.members, file, model.encoder.columns(raw, log)).astype(np.float64)
    written_RT = average(written.members, file, written.encoder.columns(raw, log))
    difference_RT = np.abs(written_RT - expected_RT)
    if not (difference_RT <= TOLERANCE * np.maximum(1.0, np.abs(expected_RT))).all():
        raise DataError(
            f"{model.folder}: {len(raw):,} held-out rows must score from the folder as from "
            f"memory, but a logit differs by up to {np.nanmax(difference_RT):.3g}; nothing is "
            "written",
            remedy="try again; if it happens again, report it",
        )
    return Verification(len(raw), float(difference_RT.max(initial=0.0)))


def _compiled(
    written: ExportedModel,
    folder: Path,
    formats: Sequence[str],
    raw: pl.DataFrame,
    log: RolledInputs,
) -> "Compilation | None":
    if not formats:
        return None
    from hinet_search.serving.compiled.write import write_compiled  # half a second

    return write_compiled(written, folder, GraphChoice(tuple(formats)), raw, log)
