"""Exported: score rows with an exported model.

Like api.py, it imports what it needs when it runs.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from hinet_search.common.plugins import allow_only
from hinet_search.serving.sealed import require_exported

if TYPE_CHECKING:
    from os import PathLike

    from hinet_search.serving.predict import Prediction
    from hinet_search.training.device import Wanted


def predict(
    folder: "str | PathLike[str]",
    rows: "str | PathLike[str]",
    to: "str | PathLike[str]",
    *,
    state: "str | PathLike[str] | None" = None,
    device: "Wanted" = "cpu",
    plugins: tuple[str, ...] = (),
) -> "Prediction":
    """Score the rows of a table with an exported model and write the scores.

    `state` is a folder with label counts that roll forward: rows with labels are added to them.
    Errors: those of `score_table`.
    """
    allow_only(plugins)
    require_exported(Path(folder))

    from hinet_search.serving.model_folder import open_folder
    from hinet_search.serving.predict import score_table
    from hinet_search.training.device import choose_device

    exported = open_folder(Path(folder), choose_device(device).device)
    return score_table(exported, str(rows), Path(to), None if state is None else Path(state))
