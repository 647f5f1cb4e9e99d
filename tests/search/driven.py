"""An executor and a phase to drive in a test: each does what it is told and notes what it was asked."""

from collections.abc import Callable

from hinet_search.executors import Ended, Job, Said

Script = Callable[[Job], list[Said]]


def ends(cause: str = "", **how: bool) -> Script:
    return lambda job: [Ended(job.key, job.attempt, cause, **how)]


returns, raises = ends(), ends("ValueError: no")
dies, blocked = ends("its process died", died=True), ends("no room", blocked=True)


class FakeExecutor:
    """Says of each job what its script says, one poll at a time; a stopped job ends at the next poll."""

    def __init__(self, script: Script = returns, slots: int = 1) -> None:
        self.script, self.slots = script, slots
        self.submitted: list[Job] = []
        self.stopped: list[str] = []
        self.killed: list[str] = []
        self._coming: dict[str, list[Said]] = {}

    @property
    def free(self) -> int:
        return self.slots - len(self._coming)

    def submit(self, job: Job) -> None:
        self.submitted.append(job)
        self._coming[job.key] = self.script(job)

    def stop(self, key: str) -> None:
        self.stopped.append(key)
        self._coming[key] = [Ended(key, self.submitted[-1].attempt, "")]

    def runs(self, key: str) -> bool:
        return True

    def kill(self, key: str) -> None:
        self.killed.append(key)
        self._coming[key] = [Ended(key, self.submitted[-1].attempt, "its process died (signal SIGKILL)", died=True)]

    def poll(self, timeout: float) -> list[Said]:
        heard = [one for said in self._coming.values() for one in said]
        self._coming = {
            key: [] for key, said in self._coming.items() if not any(isinstance(one, Ended) for one in said)
        }
        return heard


class FakePhase:
    """Hands out jobs and notes what it hears."""

    def __init__(self, *keys: str) -> None:
        self.waiting = [Job(key, 1, print, None) for key in keys]
        self.heard: list[tuple[str, object]] = []
        self.ended: list[tuple[str, str, bool]] = []
        self.retried: list[tuple[str, int, str]] = []
        self.stop_when_heard: set[str] = set()

    def next_job(self) -> Job | None:
        return self.waiting.pop(0) if self.waiting else None

    def hear(self, key: str, body: object, stop: Callable[[], None]) -> None:
        self.heard.append((key, body))
        if key in self.stop_when_heard:
            stop()

    def end(self, key: str, cause: str, *, stopping: bool) -> None:
        self.ended.append((key, cause, stopping))

    def retry(self, key: str, attempt: int, cause: str) -> None:
        self.retried.append((key, attempt, cause))


def nothing() -> None: ...


def attempts(executor: FakeExecutor) -> list[tuple[str, int]]:
    return [(job.key, job.attempt) for job in executor.submitted]
