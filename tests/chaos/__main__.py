"""The long form of the storms: `make chaos` runs them over SQLite and PostgreSQL and prints what was done and what was lost.

Over each there are two: over a study of trials and finalists, and over one that also trades two objectives,
teaches students, chooses an ensemble and refits what it ships.
"""

import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from hinet_search.storage.engine import connect
from tests.chaos.checker import Verdict, check
from tests.chaos.coordinator import FULL, Plan
from tests.chaos.disks import disk_of_storm
from tests.chaos.history import shows_traceback
from tests.chaos.storm import FullDisk, Restarts, Storm, dashboard_polled
from tests.postgres import server, url_of

DECK = ["slot"] * 70 + ["coordinator"] * 10
ON_SERVER = ["stop fast", "stop immediate"] + ["throw out"] * 2
ON_DISK = ["fill the disk"] * 2
TRIALS, SECONDS = 300, 0.25  # an evaluation
PLAIN: Mapping[str, object] = {}
PAUSE, AWAY = 1.4, 10.0


@dataclass
class Figures:
    """The figures of one storm."""

    name: str
    seconds: float
    count: Counter[str]
    answers: Counter[int]
    verdict: Verdict
    problems: list[str]

    @property
    def good(self) -> bool:
        return bool(self.verdict) and not self.problems

    def lines(self) -> list[str]:
        done = ", ".join(f"{number} x {what}" for what, number in sorted(self.count.items()))
        answers = ", ".join(
            f"{number} x {status}" for status, number in sorted(self.answers.items())
        )
        verdict = self.verdict
        wrong = len(verdict.wrong) + len(self.problems)
        return [
            f"{self.name}: {verdict.trials} trials in {self.seconds:.0f} s",
            f"  done to it  {done}",
            f"  dashboard   {answers}",
            f"  lost {len(verdict.lost)}, doubled {len(verdict.doubled)}, stuck {len(verdict.stuck)}, wrong {wrong}",
            *(
                f"  {text}"
                for text in (
                    *verdict.lost,
                    *verdict.doubled,
                    *verdict.stuck,
                    *verdict.wrong,
                    *self.problems,
                )
            ),
        ]


def weather(
    folder: Path,
    storage: str,
    deck: list[str],
    deeds: FullDisk | Restarts,
    more: Mapping[str, object],
) -> Figures:
    """Run one storm from its beginning to its verdict; `more` is what the study has beside trials."""
    began = time.monotonic()
    name = f"{'PostgreSQL' if '://' in storage else 'SQLite'}, {'full' if more else 'plain'} study"
    plan = Plan(storage, trials=TRIALS, seconds=SECONDS, **more)  # type: ignore[arg-type]  # by name
    connect(storage, create=True).close()
    storm = Storm(folder, plan, deck, deeds.deeds)
    with dashboard_polled(storage) as answers:
        storm.blow(PAUSE)
    deeds.over()
    verdict = check(folder, storage, plan.trials, storm.seen)
    left = [f"not done: {storm.left}"] if storm.left else []
    said = shows_traceback(folder / "said")
    problems = [*storm.problems, *left, *(["a traceback was shown"] if said else [])]
    return Figures(name, time.monotonic() - began, storm.count, answers, verdict, problems)


def over_sqlite(more: Mapping[str, object]) -> Figures:
    """Hit every process, and fill the disk for a while."""
    with (
        TemporaryDirectory(prefix="hinet-search-storm-") as name,
        disk_of_storm(Path(name) / "disk") as disk,
    ):
        storage = Path(name) / "disk" / "studies.sqlite3"
        deeds = FullDisk(storage, disk, AWAY)
        return weather(Path(name), str(storage), [*DECK, *ON_DISK], deeds, more)


def over_postgres(more: Mapping[str, object]) -> Figures:
    """Hit every process, and the server too."""
    with (
        TemporaryDirectory(prefix="hinet-search-storm-") as name,
        TemporaryDirectory(prefix="hinet-search-server-") as of_server,
        server(Path(of_server)) as running,
    ):
        deeds = Restarts(running, away_seconds=AWAY)
        return weather(Path(name), url_of(running), [*DECK, *ON_SERVER], deeds, more)


def main() -> None:
    good = True
    for storm, more in product((over_sqlite, over_postgres), (PLAIN, FULL)):
        figures = storm(more)
        good = good and figures.good
        sys.stdout.write("\n".join(figures.lines()) + "\n")
        sys.stdout.flush()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
