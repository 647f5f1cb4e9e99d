"""Would the tests notice a fault? `python -m tests.mutants` applies each mutant of table.csv to a copy of the checkout, runs the one test that
killed it when it was drawn, and says which mutants survive now, and which no longer apply. 1 if any survives.

--mend looks for other tests where a mutant survives or its test is gone, and drops what no longer applies. By hand, as 300 mutants take a
quarter of an hour or more.
"""

import argparse
import csv
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.candidates import Candidates, matches
from tests.mutants.changes import Mutant
from tests.mutants.overlay import Overlay, overlay

ROOT = Path(__file__).parents[2]
TABLE = Path(__file__).with_name("table.csv")
COLUMNS = ("id", "file", "line", "mutated", "test")
MOST_FILES = 40  # that are tried when a mutant has lost its test
SECONDS = 100  # of their work
CHECK_SECONDS = 30  # of work, for the test of a mutant that is checked
CLEAN_SECONDS = 1800  # for all tests without a mutant
KILLED, SURVIVED, GONE, NO_TEST = "killed", "survives", "no longer applies", "lost its test"
UNNOTICED = "survived when it was drawn"


@dataclass(frozen=True)
class Row:
    """A mutant and the test that kills it, empty if none was found."""

    id: str
    mutant: Mutant
    test: str


def main() -> int:
    """Do what the command line says; 1 if a mutant survives a check."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument(
        "--without", action="append", default=[], metavar="PATTERN", help="files to leave alone"
    )
    parser.add_argument("--mend", action="store_true", help="look for tests, and drop mutants")
    parser.add_argument("--only", metavar="PATTERN", default="*", help="files to check")
    given = parser.parse_args()
    rows = read_table()
    with overlay(ROOT) as copy:
        search = Search(copy, Candidates(ROOT, given.without))
        checked = [row for row in rows if matches(row.mutant.file, [given.only])]
        states = check(copy, checked)
        if given.mend:
            write_table(mended(search, rows, states))
    say(", ".join(f"{count} {state}" for state, count in Counter(states.values()).items()))
    return int(SURVIVED in states.values())


def check(copy: Overlay, rows: list[Row]) -> dict[str, str]:
    """Return the state of each mutant; say those that are not killed."""
    files = {row.test.partition("::")[0] for row in rows if row.test}
    copy.compile(sorted(file for file in files if (ROOT / file).exists()))
    passing = copy.passing({row.test for row in rows if row.test}, CLEAN_SECONDS)
    states = {}
    for row in rows:
        states[row.id] = state_of(copy, row, passing)
        if states[row.id] not in {KILLED, UNNOTICED}:
            say(f"{row.id} {states[row.id]}: {row.mutant.file}: {row.mutant.mutated} ({row.test})")
    return states


def state_of(copy: Overlay, row: Row, passing: set[str]) -> str:
    """Apply a mutant and run its test."""
    with copy.mutated(row.mutant) as applies:
        if not applies:
            return GONE
        if row.test not in passing:
            return NO_TEST if row.test else UNNOTICED
        outcome = copy.run([row.test.partition("::")[0]], CHECK_SECONDS, {row.test})
    return KILLED if outcome.failed or outcome.is_killed else SURVIVED


def mended(search: "Search", rows: list[Row], states: dict[str, str]) -> list[Row]:
    """Return the rows that still apply, with another test where one is needed and found."""
    kept = []
    for row in rows:
        state = states.get(row.id, KILLED)
        if state in {SURVIVED, NO_TEST}:
            test = search.test_that_kills(row.mutant)
            kept.append(Row(row.id, row.mutant, test))
            say(f"{row.id} {test or 'survives all tests that were tried'}")
        elif state in {KILLED, UNNOTICED}:
            kept.append(row)
    return kept


class Search:
    """Looks for tests that kill mutants, and remembers which tests fail without one."""

    def __init__(self, copy: Overlay, candidates: Candidates) -> None:
        self.copy = copy
        self.candidates = candidates
        self.passes: dict[str, bool] = {}

    def test_that_kills(self, mutant: Mutant) -> str:
        """Return the first test that fails with the mutant alone, empty if none does in time."""
        files = self.candidates.of(mutant.file, MOST_FILES)
        while files:
            with self.copy.mutated(mutant):
                outcome = self.copy.run(files, SECONDS)
            if outcome.failed is None:
                return ""
            file = outcome.failed.partition("::")[0]
            test = self._test_of(file) if file == outcome.failed else outcome.failed
            if self._passes(test):
                return test
            files = [other for other in files if other != file]
        return ""

    def _test_of(self, file: str) -> str:
        """Return a test of a file that the mutant does not let one import."""
        outcome = self.copy.run([file], CHECK_SECONDS)
        return next(iter(outcome.passed), file)

    def _passes(self, test: str) -> bool:
        if test not in self.passes:
            self.passes[test] = test in self.copy.passing({test}, CHECK_SECONDS)
        return self.passes[test]


def read_table() -> list[Row]:
    """Return the rows of the table."""
    if not TABLE.exists():
        return []
    with TABLE.open(encoding="utf-8", newline="") as file:
        return [
            Row(row["id"], Mutant(row["file"], row["line"], row["mutated"]), row["test"])
            for row in csv.DictReader(file)
        ]


def write_table(rows: list[Row]) -> None:
    """Write the table again."""
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            mutant = row.mutant
            writer.writerow([row.id, mutant.file, mutant.line, mutant.mutated, row.test])


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
