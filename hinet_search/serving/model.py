"""LoadedModel: an exported model in memory, which scores frames."""

from dataclasses import dataclass

import polars as pl

from hinet_search.serving.model_folder import ExportedModel
from hinet_search.serving.predict import checked, memory_explained, newer_rows, scored_frame

FRAME, LOG = "the frame", "the log"


@dataclass(frozen=True)
class LoadedModel:
    """An exported model in memory."""

    exported: ExportedModel

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks, each a column of `predict`."""
        return self.exported.file.inputs.tasks

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that rows must have."""
        return self.exported.file.inputs.columns

    def predict(self, frame: pl.DataFrame, log: pl.DataFrame | None = None) -> pl.DataFrame:
        """Return a column of probabilities, or expected amounts, for every task, in order of rows.

        `log` has labelled rows that are newer than the study, which the rows of the frame see; it
        may be the frame itself.
        Errors: DataError when columns or values are not as in training; ConfigurationError for the
        log of a model that follows none; EnvironmentFault when memory runs out.
        """
        exported = self.exported
        with memory_explained(exported, FRAME):
            newer = None
            if log is not None:
                newer, _ = newer_rows(exported, log.lazy(), LOG)
            rows, _ = checked(exported, frame.lazy(), (), FRAME)
            return scored_frame(exported, rows, FRAME, newer)
