"""Budgets of test files: fail if one takes more than twice its seconds in tests/durations.txt.

`make test` stores the seconds of its tests in .pytest_cache; `python -m tests.durations` compares
them, and `make durations` writes the budgets anew, rounded up to five seconds, of files that take
two or more. On a slower machine all files take longer: their total says by how much.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable
from math import ceil, inf
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).parents[1]
BUDGETS = ROOT / "tests" / "durations.txt"
STORED = [ROOT / ".pytest_cache" / name for name in ("parallel.xml", "alone.xml")]
FEWEST_SECONDS, ROUNDED_TO = 2.0, 5


def measured(runs: Iterable[Path] = STORED) -> dict[str, float]:
    """Return the seconds of each file whose tests all passed: one that failed may have waited."""
    seconds: dict[str, float] = defaultdict(float)
    failed = set()
    for path in runs:
        for case in ET.parse(path).iter("testcase"):
            file = case.attrib["classname"].replace(".", "/") + ".py"
            seconds[file] += float(case.attrib["time"])
            if case.find("failure") is not None or case.find("error") is not None:
                failed.add(file)
    return {file: seconds[file] for file in seconds if file not in failed}


def compare(seconds: dict[str, float], budgets: dict[str, int]) -> tuple[list[str], list[str]]:
    """Return a sentence for each file over twice its budget, and for each slow file without one."""
    ran = seconds.keys() & budgets.keys()
    total = sum(seconds[file] for file in ran)
    slower = max(1.0, total / max(1, sum(budgets[file] for file in ran)))
    faults, notes = [], []
    for file, taken in sorted(seconds.items()):
        most = 2 * slower * budgets.get(file, inf)
        if file not in budgets and taken >= FEWEST_SECONDS:
            notes.append(f"{file}: {taken:.0f} s, no budget: run `make durations`")
        elif taken > most:
            faults.append(
                f"{file}: must take at most {most:.0f} s, twice its budget on a machine {slower:.1f} "
                f"times as slow, got {taken:.0f} s: speed it up, or run `make durations`"
            )
    return faults, notes


def read() -> dict[str, int]:
    """Return the budget of each file, in seconds."""
    words = BUDGETS.read_text(encoding="utf-8").split()
    return {file: int(budget) for budget, file in zip(words[::2], words[1::2], strict=True)}


def written(seconds: dict[str, float]) -> str:
    """Return the lines of the budgets of files that take long, the longest first."""
    lines = [
        f"{ROUNDED_TO * ceil(taken / ROUNDED_TO):4} {file}\n"
        for file, taken in seconds.items()
        if taken >= FEWEST_SECONDS
    ]
    return "".join(sorted(lines, reverse=True))


def main() -> int:
    """Compare, or with `--write` write the budgets of today's files; 1 if a file takes too long."""
    if sys.argv[1:] == ["--write"]:
        seconds = read() | measured()
        there = {file: taken for file, taken in seconds.items() if (ROOT / file).exists()}
        BUDGETS.write_text(written(there), encoding="utf-8")
        return 0
    faults, notes = compare(measured(), read())
    sys.stdout.writelines(f"{line}\n" for line in (*notes, *faults))
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
