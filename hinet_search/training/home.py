"""Home: how a training on a slot reaches its coordinator."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from hinet_search import faults
from hinet_search.patience import Notice, Patience
from hinet_search.records import EvaluationRecord


@dataclass(frozen=True)
class Home:
    """Sends evaluations home while a model trains, and what the user is to be told."""

    emit: Callable[[object], None]
    stop: Callable[[], bool]

    @property
    def patience(self) -> Patience:
        """With a disk that is full."""
        return Patience(self.notice, self.stop)

    def telling(self, what: Callable[[object], object]) -> "Home":
        """That sends something else for what it is given."""
        return replace(self, emit=lambda body: self.emit(what(body)))

    def notice(self, text: str) -> None:
        """Tell the user."""
        self.emit(Notice(text))

    def evaluated(self, record: EvaluationRecord) -> None:
        """Pass an evaluation on."""
        faults.point("before_evaluation_sent")
        self.emit(record)
        faults.point("after_evaluation_sent")

    def should_stop(self) -> bool:
        """Whether the coordinator gave the trial up."""
        return self.stop()
