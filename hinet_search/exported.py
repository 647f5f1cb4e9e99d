"""Exported: open an exported model, and score rows with it.

Like api.py, it imports what it needs when it runs.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from hinet_search.common.plugins import allow_only
from hinet_search.serving.sealed import require_exported

if TYPE_CHECKING:
    from os import PathLike

    from hinet_search.serving.model import LoadedModel
    from hinet_search.serving.predict import Prediction
    from hinet_search.training.device import Wanted


def load_model(
    folder: "str | PathLike[str]",
    *,
    device: "Wanted" = "cpu",
    plugins: tuple[str, ...] = (),
) -> "LoadedModel":
    """Open an exported model; its `predict` scores frames.

    Errors: as in `open_folder`.
    """
    allow_only(plugins)
    require_exported(Path(folder))

    from hinet_search.serving.model import LoadedModel
    from hinet_search.serving.model_folder import open_folder
    from hinet_search.training.device import choose_device

    return LoadedModel(open_folder(Path(folder), choose_device(device).device))


def predict(
    folder: "str | PathLike[str]",
    rows: "str | PathLike[str]",
    to: "str | PathLike[str]",
    *,
    log: "str | PathLike[str] | None" = None,
    device: "Wanted" = "cpu",
    plugins: tuple[str, ...] = (),
) -> "Prediction":
    """Score the rows of a table with an exported model and write the scores.

    `log` is a table of labelled rows that are newer than the study, which the rows see.
    Errors: as in `score_table`.
    """
    allow_only(plugins)
    require_exported(Path(folder))

    from hinet_search.serving.model_folder import open_folder
    from hinet_search.serving.predict import score_table
    from hinet_search.training.device import choose_device

    exported = open_folder(Path(folder), choose_device(device).device)
    return score_table(exported, str(rows), Path(to), None if log is None else str(log))
