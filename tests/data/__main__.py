"""`python -m tests.data [WORD ...]`: run odd tables through init, check and launch.

All tables, or those with a word in their name.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from time import perf_counter

from hinet_search.cli import main as command_line
from hinet_search.search.plan import probe
from tests.data.many_tables import TABLES
from tests.data.table_makers import OddTable

STAGES = ("init", "check", "launch")
SHORT = ("--set", "arms={single: }")
SHORTEST = ("--trials", "1", "--finalist-seeds", "1", "--slots", "1", "--set", "passes=1")

Step = tuple[int, str]  # exit code, and what was said


def main() -> None:
    """Print a row a table; exit with 1 where one ended in a traceback, or not as it must."""
    chosen = [
        name for name in TABLES if not sys.argv[1:] or any(word in name for word in sys.argv[1:])
    ]
    began, wrong = perf_counter(), 0
    probe.MOST_STEPS = probe.FEWEST_STEPS  # how long a training takes is of no interest here
    sys.stdout.write("| table | init | check | launch |\n|---|---|---|---|\n")
    for name in chosen:
        with tempfile.TemporaryDirectory() as folder, chdir(folder):
            steps = list(_steps(TABLES[name]))
        wrong += _is_wrong(TABLES[name], steps)
        cells = [name, *(_in_words(step) for step in steps), *["-"] * (len(STAGES) - len(steps))]
        sys.stdout.write(f"| {' | '.join(cells)} |\n")
        sys.stdout.flush()
    sys.stdout.write(
        f"\n{len(chosen)} tables in {perf_counter() - began:.0f} s, {wrong} not as they must\n"
    )
    sys.exit(bool(wrong))


def _steps(table: OddTable) -> Iterator[Step]:
    """Return the result of each command, up to the first refusal."""
    table.write(Path(table.file))
    for words in (
        ("data", "init", table.file),
        ("check", "rows", *SHORT),
        ("launch", "rows", *SHORT, *SHORTEST),
    ):
        step = _run(*words)
        yield step
        if step[0]:
            return


def _run(*words: str) -> Step:
    """A command in this process: every one by itself would import torch again."""
    output, code = StringIO(), 0
    sys.argv = ["hinet-search", *words]
    with redirect_stdout(output), redirect_stderr(output):
        try:
            command_line()
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        except BaseException as error:  # noqa: BLE001  a traceback is what is looked for
            return 1, f"{type(error).__name__}: {error}"
    return code, output.getvalue()


def _is_wrong(table: OddTable, steps: list[Step]) -> bool:
    code, output = steps[-1]
    refused_by = STAGES[len(steps) - 1] if code else ""
    return refused_by != table.refused_by or code not in (0, 2, 3) or "Traceback" in output


def _in_words(step: Step) -> str:
    code, output = step
    if code == 0:
        return f"ok, {output.count('!!')} to look at"
    return f"{code}: {' / '.join(output.strip().splitlines()[:3])}".replace("|", "\\|")


if __name__ == "__main__":
    main()
