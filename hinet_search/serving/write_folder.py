"""Write folder: write an exported folder, completely or not at all, and check how it scores.

A study's export and a fit on newer rows are both written here.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hinet_search.common.errors import EnvironmentFault
from hinet_search.common.files import replacing_folder
from hinet_search.data.columns import Columns
from hinet_search.serving.choice import GraphChoice
from hinet_search.serving.encoder import Encoder
from hinet_search.serving.model_file import ModelFile
from hinet_search.serving.model_folder import (
    CARD,
    ExportedModel,
    open_folder,
    write_config,
    write_tables,
)
from hinet_search.serving.profile import Profile, write_profile
from hinet_search.serving.sealed import seal
from hinet_search.serving.verify import KnownScores, RowSample, Verification, verify_scores
from hinet_search.training.tensors import save_tensors

if TYPE_CHECKING:
    from hinet_search.serving.compiled.write import Compilation


@dataclass(frozen=True)
class FolderContent:
    """What a folder holds.

    `weights` are those of every member, or the file that has them. `read_valid` gives the rows on
    which graphs with weights of fewer bytes are compared.
    """

    file: ModelFile
    encoder: Encoder
    profile: Profile
    weights: Sequence[Path | Mapping[str, Tensor]]
    graphs: GraphChoice
    read_valid: Callable[[], Columns]


@dataclass(frozen=True)
class WrittenFolder:
    """The files of a folder with their bytes, the check of its scores, and its graphs, if any."""

    files: dict[str, int]
    checked: Verification
    compiled: "Compilation | None"


def write_folder(
    folder: Path,
    content: FolderContent,
    sample: RowSample,
    known: Sequence[KnownScores],
    write_card: Callable[[Verification], str],
) -> WrittenFolder:
    """Write a folder, check that the rows of `sample` have the `known` scores, and add graphs.

    Errors: those of `verify_scores`, `write_compiled` and `narrowed`; EnvironmentFault if the
    folder cannot be written.
    """
    try:
        with replacing_folder(folder, sum(map(_size, content.weights))) as part:
            for weights, name in zip(content.weights, content.file.weight_files, strict=True):
                _write_weights(weights, part / name)
            write_tables(part, content.encoder)
            write_config(part, content.file)
            write_profile(part, content.profile)
            seal(part)
            exported = open_folder(part, torch.device("cpu"))
            checked = verify_scores(exported, sample, known)
            (part / CARD).write_text(write_card(checked), encoding="utf-8")
            compiled = _compiled(exported, content, sample)
    except OSError as error:
        raise EnvironmentFault(
            f"{folder}: cannot be written: {error.strerror}", remedy="name another with -o"
        ) from error
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    files = {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths}
    return WrittenFolder(files, checked, compiled)


def _size(weights: Path | Mapping[str, Tensor]) -> int:
    if isinstance(weights, Path):
        return weights.stat().st_size
    return sum(tensor.nbytes for tensor in weights.values())


def _write_weights(weights: Path | Mapping[str, Tensor], path: Path) -> None:
    if isinstance(weights, Path):
        shutil.copyfile(weights, path)
    else:
        save_tensors(weights, path)


def _compiled(
    exported: ExportedModel, content: FolderContent, sample: RowSample
) -> "Compilation | None":
    graphs = content.graphs
    if not graphs.formats:
        return None
    from hinet_search.serving.compiled.weights import cost_of, narrowed
    from hinet_search.serving.compiled.write import write_compiled  # half a second

    narrow = narrowed(exported, graphs.weights)
    compiled = write_compiled(narrow, exported.folder, graphs, sample.raw, sample.log)
    if narrow is exported:
        return compiled
    cost = cost_of(exported, narrow, graphs.weights, content.read_valid())
    return replace(compiled, cost=cost)
