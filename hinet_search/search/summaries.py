"""Summaries: what all seeds of each arm's opened finalist give together, once every seed is scored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hinet_search import faults
from hinet_search.compare import headline
from hinet_search.executors import Job
from hinet_search.records import FinalistRecord, FinalistSummary
from hinet_search.search.progress import Event
from hinet_search.search.room import Room
from hinet_search.search.sampling import derive_seed
from hinet_search.summary import SummaryJob, summarise
from hinet_search.trial import scores_path, weights_path


@dataclass(frozen=True)
class Opened:
    """A finalist with a test value for every seed that counts."""

    arm: str
    trial_number: int
    seeds: tuple[int, ...]

    @property
    def key(self) -> str:
        """`hinet/12`."""
        return f"{self.arm}/{self.trial_number}"


def to_summarise(stored: Mapping[str, Sequence[FinalistRecord]], seeds: Sequence[int]) -> list[Opened]:
    """Chosen finalists whose summary is missing, or is of other seeds."""
    found = []
    for arm, finalists in stored.items():
        for one in finalists:
            opened = {run.seed for run in one.runs if run.test_cells is not None}
            whole = one.chosen and opened >= set(seeds)
            if whole and (one.summary is None or one.summary.seeds != tuple(seeds)):
                found.append(Opened(arm, one.trial_number, tuple(seeds)))
    return found


class SummaryPhase:
    """One job per arm; all draw the same users."""

    def __init__(self, finalists: list[Opened], room: Room) -> None:
        self._waiting = finalists
        self._running: dict[str, Opened] = {}
        self._room = room
        room.progress.begin("summaries", 0, len(finalists))

    def next_job(self) -> Job | None:
        """The next arm."""
        if not self._waiting:
            return None
        one, room = self._waiting.pop(0), self._room
        self._running[one.key] = one
        room.progress.start(one.key, passes=None)
        paths = (weights_path(room.artifacts, one.arm, one.trial_number, seed) for seed in one.seeds)
        payload = SummaryJob(
            dataset=room.dataset,
            scores=tuple(scores_path(path) for path in paths),
            seeds=one.seeds,
            headline=headline(room.spec.objective),
            seed=derive_seed(room.spec.seed, "users", 0),
        )
        return Job(one.key, 1, summarise, payload)

    def hear(self, key: str, body: object, stop: Callable[[], None]) -> None:  # noqa: ARG002  it is never stopped
        """The summary."""
        assert isinstance(body, FinalistSummary), "a summary job sends its summary"
        one = self._running[key]
        self._room.store.record_summary(one.arm, one.trial_number, body)
        faults.point("after_summary")

    def end(self, key: str, cause: str, *, stopping: bool) -> None:
        """Count it."""
        self._running.pop(key)
        self._room.progress.running.pop(key)
        self._room.progress.phase.done += 1
        if cause and not stopping:
            self._room.watcher.event(Event("failed", f"summary of {key}: {cause}", key))

    def retry(self, key: str, attempt: int, cause: str) -> None:
        """Counted again on another process."""
        self._room.tell_retry(key, attempt, cause, "summary of ")
