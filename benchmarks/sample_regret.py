"""Sample regret: what it costs to choose arm and configuration on a sample of the users.

`python benchmarks/sample_regret.py quickstart movielens_1m --shares 5% 10%` searches every study on
all rows and on each sample. What a sample chooses is then trained on all rows, with the same seeds
as what all rows choose. It prints both on test, their difference (the regret), and the seconds of
the searches. Launches that are done are not run again; `--set` changes all of them.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
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
    "seconds of the search",
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
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    pairs = [text.partition("=") for text in options.set]
    settings = {name: read_value(value, f"--set {name}") for name, _, value in pairs}
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    for study in options.studies:
        for row in rows_of(study, options.shares, options.output / Path(study).stem, settings):
            print(f"| {' | '.join(row)} |", flush=True)


def rows_of(
    study: str, shares: Sequence[str], folder: Path, settings: Mapping[str, Any]
) -> Iterator[tuple[str, ...]]:
    """Yield the row of all rows, then one of every share."""
    of_all = hs.launch(study, output=folder / "all", settings={**settings, "sample": "none"})
    best = winner_of(of_all)
    reached = best.on_test(of_all)
    yield _row(study, "all rows", of_all, reached, 0.0, of_all.seconds)
    for share in shares:
        of_share: dict[str, Any] = {
            "output": folder / share,
            "settings": {**settings, "sample": share},
        }
        of_part = hs.launch(study, **of_share)
        value = on_all(study, winner_of(of_part), of_share)
        yield _row(study, share, of_part, value, of_all.sign * (reached - value), of_all.seconds)


def winner_of(record: StudyRecord) -> Winner:
    """Return what a done study found best on validation."""
    best = verdict(record).best or record.arms[0].name
    arm = next(arm for arm in record.arms if arm.name == best)
    finalist = chosen(arm)
    assert finalist is not None, "a done study has finalists"
    return Winner(arm, finalist)


def on_all(study: str, winner: Winner, of_share: Mapping[str, Any]) -> float:
    """Train what a sample chose on all rows, with its number of seeds; return its value on test."""
    seeds = len(winner.finalist.runs)
    with TemporaryDirectory() as folder:
        model = f"{folder}/model"
        trained = hs.train(study, model, arm=winner.arm.name, finalist_seeds=seeds, **of_share)
    return winner_of(trained.of_all).on_test(trained.of_all)


def _row(
    study: str, share: str, record: StudyRecord, value: float, regret: float, of_all: float
) -> tuple[str, ...]:
    best = winner_of(record)
    what = f"{title(best.arm.name)}, trial {best.finalist.trial_number}"
    seconds = (f"{record.seconds:.0f}", f"{record.seconds / of_all:.1%}")
    return (
        study,
        share,
        f"{sum(record.data.rows):,}",
        what,
        f"{value:.4f}",
        f"{regret:+.4f}",
        *seconds,
    )


if __name__ == "__main__":
    main()
