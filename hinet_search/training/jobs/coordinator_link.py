"""CoordinatorLink: how a training on a slot reaches its coordinator."""

from collections.abc import Callable
from dataclasses import dataclass

from hinet_search.common import crash_points
from hinet_search.common.retry import Notice, Retry
from hinet_search.results.records import EvaluationRecord


@dataclass(frozen=True)
class CoordinatorLink:
    """Send evaluations and notices to the coordinator while a model trains.

    `emit` sends a message; `stop` returns whether the coordinator asks to stop.
    """

    emit: Callable[[object], None]
    stop: Callable[[], bool]

    @property
    def retry(self) -> Retry:
        """Retries writes that fail because the disk is full."""
        return Retry(self.notice, self.stop)

    def notice(self, text: str) -> None:
        """Send a notice to the user."""
        self.emit(Notice(text))

    def on_evaluation(self, record: EvaluationRecord) -> None:
        """Send an evaluation."""
        crash_points.point("before_evaluation_sent")
        self.emit(record)
        crash_points.point("after_evaluation_sent")

    def should_stop(self) -> bool:
        """Return whether the coordinator asks to stop the trial."""
        return self.stop()
