"""Sample regret: what it costs to choose arm and configuration on a sample of the users.

`python benchmarks/sample_regret.py quickstart movielens_1m --shares 5% 10%` searches every study on
all rows and on each sample. What a sample chooses is then trained on all rows, with the same seeds
as what all rows choose. It prints both on test, their difference (the regret), and the processor's
seconds of the searches, encoding included. What is done is not run again; `--set` changes all
launches.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

import hinet_search as hs
from hinet_search.results.finalist_values import chosen, headline_by_seed
from hinet_search.results.records import ArmRecord, FinalistRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title, verdict
from hinet_search.study.yaml_file import read_value

HEAD = (
    "study",
    "searched on",
    "rows",
    "chosen",
    "on test, trained on all",
    "regret",
    "CPU seconds of the search",
    "of those on all",
)


@dataclass(frozen=True)
class Winner:
    """The best arm on validation, with its chosen configuration."""

    arm: ArmRecord
    finalist: FinalistRecord

    def on_test(self, record: StudyRecord) -> float:
        """Return the headline on test, the mean over the seeds."""
        return fmean(headline_by_seed(record, self.finalist, "test").values())


def main() -> None:
    """Print a row for every study and share."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", nargs="+")
    parser.add_argument("--shares", nargs="+", default=["5%", "10%"])
    parser.add_argument("--output", type=Path, default=Path("sample_regret"))
    parser.add_argument("--variant", help="of every study; the first one unless given")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    pairs = [text.partition("=") for text in options.set]
    settings = {name: read_value(value, f"--set {name}") for name, _, value in pairs}
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    for study in options.studies:
        folder = options.output / Path(study).stem
        call = {"study": study, "variant": options.variant}
        for row in rows_of(call, options.shares, folder, settings):
            print(f"| {' | '.join(row)} |", flush=True)


def rows_of(
    call: Mapping[str, Any], shares: Sequence[str], folder: Path, settings: Mapping[str, Any]
) -> Iterator[tuple[str, ...]]:
    """Yield the row of all rows, then one of every share."""
    of_all, seconds_of_all = _searched(call, folder / "all", {**settings, "sample": "none"})
    reached = winner_of(of_all).on_test(of_all)
    yield _row(folder.name, "all rows", of_all, reached, 0.0, (seconds_of_all, seconds_of_all))
    for share in shares:
        of_share = {**settings, "sample": share}
        of_part, seconds = _searched(call, folder / share, of_share)
        winner = winner_of(of_part)
        value = _kept(
            folder / share / "on_all.json",
            lambda: on_all(call, winner, folder / share, of_share),  # noqa: B023  called here
        )
        regret = of_all.sign * (reached - value)
        yield _row(folder.name, share, of_part, value, regret, (seconds, seconds_of_all))


def _searched(
    call: Mapping[str, Any], folder: Path, settings: Mapping[str, Any]
) -> tuple[StudyRecord, float]:
    """Return the finished study and the processor's seconds that its first launch took."""
    began = _cpu_seconds()
    record = hs.launch(**call, output=folder, settings=settings)
    seconds = _cpu_seconds() - began
    return record, _kept(folder / "cpu_seconds.json", lambda: seconds)


def _cpu_seconds() -> float:
    """Return those of this process and of its slots that have ended."""
    used = [getrusage(which) for which in (RUSAGE_SELF, RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _kept(file: Path, measure: Callable[[], float]) -> float:
    """Return the value in a file, which is measured if there is none."""
    if not file.exists():
        value = measure()
        file.write_text(json.dumps(value), encoding="utf-8")
    return float(json.loads(file.read_text(encoding="utf-8")))


def winner_of(record: StudyRecord) -> Winner:
    """Return what a done study found best on validation."""
    best = verdict(record).best or record.arms[0].name
    arm = next(arm for arm in record.arms if arm.name == best)
    finalist = chosen(arm)
    assert finalist is not None, "a done study has finalists"
    return Winner(arm, finalist)


def on_all(
    call: Mapping[str, Any], winner: Winner, folder: Path, settings: Mapping[str, Any]
) -> float:
    """Train what a sample chose on all rows, with its number of seeds; return its value on test."""
    seeds = len(winner.finalist.runs)
    options: dict[str, Any] = {"arm": winner.arm.name, "output": folder, "settings": settings}
    options |= call
    with TemporaryDirectory() as model:
        trained = hs.train(to=f"{model}/model", finalist_seeds=seeds, **options)
    return winner_of(trained.of_all).on_test(trained.of_all)


def _row(
    study: str,
    share: str,
    record: StudyRecord,
    value: float,
    regret: float,
    seconds: tuple[float, float],
) -> tuple[str, ...]:
    best = winner_of(record)
    what = f"{title(best.arm.name)}, trial {best.finalist.trial_number}"
    of_search, of_all = seconds
    return (
        study,
        share,
        f"{sum(record.data.rows):,}",
        what,
        f"{value:.4f}",
        f"{regret:+.4f}",
        f"{of_search:.0f}",
        f"{of_search / of_all:.1%}",
    )


if __name__ == "__main__":
    main()
