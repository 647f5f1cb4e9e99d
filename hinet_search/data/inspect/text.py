"""Render: a description of data as plain text: sentences of at most 100 columns, and tables."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from textwrap import wrap

import numpy as np
from rich.bar import Bar
from rich.console import RenderableType

from hinet_search.common.amounts import mean_in_words, percent
from hinet_search.common.terminal import UNCUT, table_text
from hinet_search.data.columns import SPLITS
from hinet_search.data.inspect.describe import Description
from hinet_search.data.inspect.leaks import AFTERWARDS, SUSPICIOUS_AUC
from hinet_search.results.data_record import CellCount

WIDTH = 100
BAR = 12
FEW_POSITIVES = 100  # below this many on test, an AUC is too uncertain to compare models by
NO_TASK = "no task"
STARTS = "docs/studies.md#start-from-your-rows"
HARD_SPACE = "\u00a0"  # keeps a name and its number on one line


def render(description: Description, width: int = UNCUT, placed: Callable[[str], str] = str) -> str:
    """Write the text that `hinet-search data describe` prints; tables wrap at `width`.

    `placed` puts the place of its key before a problem.
    """
    counts = zip(SPLITS, description.rows, strict=True)
    rows_of_splits = ", ".join(f"{name} {rows:,} rows" for name, rows in counts)
    lines = [
        *_wrapped(_headline(description)),
        *_wrapped(f"split {description.split}: {rows_of_splits}"),
    ]
    if description.searched_on:
        lines += _wrapped(f"sample {description.searched_on}")
    lines += _cells(description.cells, width)
    lines += _listed("groups of test that are ranked", description.ranked)
    lines += _warnings(description, placed)
    lines += _features(description)
    settings = description.settings
    lines.append(f"keys of a study that follow from these rows ({STARTS}):")
    lines += [f"   {line}" for line in [*settings.lines(), f"epochs: {settings.epochs}"]]
    return "\n".join(lines)


def _headline(description: Description) -> str:
    num_features = len(description.categorical) + len(description.numeric)
    amounts = _amounts(description.cells)
    rates = []
    for task, rate in _rates(description.cells).items():
        mean = "mean " if task in amounts else ""
        rates.append(f"{task} {mean}{rate}")
    parts = [
        f"{sum(description.rows):,} rows",
        f"{num_features} features",
        f"tasks {', '.join(rates)}",
    ]
    if description.time is not None:
        parts.append(f"time {description.time[0]} to {description.time[1]}")
    return " · ".join(part.replace(" ", HARD_SPACE) for part in parts)


def _amounts(cells: Sequence[CellCount]) -> set[str]:
    return {cell.task for cell in cells if cell.means is not None}


def _rates(cells: Sequence[CellCount]) -> dict[str, str]:
    """By task the share of its rows with a 1, or the mean amount, over these cells."""
    rows = Counter[str]()
    totals = Counter[str]()
    for cell in cells:
        rows[cell.task] += sum(cell.rows)
        if cell.means is None:
            totals[cell.task] += sum(cell.positives)
        else:
            totals[cell.task] += np.dot(cell.means, cell.rows)
    amounts = _amounts(cells)
    rates = {}
    for task, total in totals.items():
        in_words = mean_in_words if task in amounts else percent
        rates[task] = in_words(total / max(rows[task], 1))
    return rates


def _cells(cells: Sequence[CellCount], width: int) -> Iterator[str]:
    """One line a scenario: rows, share with a bar, label rates, and positives on test.

    A task of amounts has their mean in place of a rate. `!` marks scenarios with few positives on
    test.
    """
    amounts = _amounts(cells)
    positive = "rows above 0" if amounts else "positives"
    of_scenarios: dict[str, list[CellCount]] = {}
    for cell in cells:
        of_scenarios.setdefault(cell.scenario, []).append(cell)
    tasks = list(dict.fromkeys(cell.task for cell in cells))
    total = sum(sum(own[-1].rows) for own in of_scenarios.values())
    table = [_scenario(own, tasks, total) for own in of_scenarios.values()]
    names = [f"mean {task}" if task in amounts else task for task in tasks]
    header = ["scenario", "rows", "share", "", *names, f"test {positive}"]
    yield table_text(table, header, right={1, *range(3, len(header))}, width=width)
    if any(map(_has_few, of_scenarios.values())):
        few_rows = f"fewer than {FEW_POSITIVES} {positive} on test"
        yield f"!  {few_rows}: the AUC of that cell is uncertain"


def _has_few(cells: Sequence[CellCount]) -> bool:
    return min(cell.positives[2] for cell in cells) < FEW_POSITIVES


def _scenario(cells: Sequence[CellCount], tasks: Sequence[str], total: int) -> list[RenderableType]:
    """The line of a scenario, of its cells."""
    rows = sum(cells[-1].rows)
    rates = _rates(cells)
    on_test = {cell.task: f"{cell.positives[2]:,}" for cell in cells}
    positives = " / ".join(on_test.get(task, NO_TASK) for task in tasks)
    return [
        cells[0].scenario,
        f"{rows:,}",
        Bar(total, 0, rows, width=BAR),
        percent(rows / total),
        *(rates.get(task, NO_TASK) for task in tasks),
        f"{positives} !" if _has_few(cells) else positives,
    ]


def _warnings(description: Description, placed: Callable[[str], str]) -> Iterator[str]:
    lists = {facts.name: "numeric" for facts in description.numeric}
    lists |= {facts.name: "categorical" for facts in description.categorical}
    lines = list(description.warnings)
    for leak in description.leaks:
        alone = f"{leak.feature} alone has AUC {leak.auc:.3f} for {leak.task} on train"
        todo = f"{AFTERWARDS}, else leave it (an AUC above {SUSPICIOUS_AUC} is always shown)"
        lines.append(placed(f"data.features.{lists.get(leak.feature, 'lists')}: {alone}; {todo}"))
    for line in lines:
        yield from _wrapped(f"!! {line}")


def _features(description: Description) -> Iterator[str]:
    total = sum(description.rows)
    categorical = description.categorical
    values = [f"{facts.name} {facts.num_values:,}" for facts in categorical]
    missing = [(facts.name, facts.missing / total) for facts in categorical]
    missing += [(facts.name, facts.missing / total) for facts in description.numeric]
    unseen_valid = _largest((facts.name, facts.unseen_valid) for facts in categorical)
    unseen_test = _largest((facts.name, facts.unseen_test) for facts in categorical)
    groups = [f"{name} {count}" for name, count in description.groups.items()]
    yield from _listed("distinct values", values)
    yield from _listed("missing", _largest(missing))
    yield from _listed("unseen in valid", unseen_valid)
    yield from _listed("unseen in test", unseen_test)
    yield from _listed("inputs of groups", groups)


def _largest(rates: Iterable[tuple[str, float]], below: float = 0.001) -> list[str]:
    """Rates of at least 0.1 %, the largest first, and a note about the others."""
    rated = sorted(rates, key=lambda pair: -pair[1])
    large = [f"{name} {percent(rate)}" for name, rate in rated if rate >= below]
    if len(large) == len(rated):
        return large
    return [*large, "others below 0.1 %" if large else "none above 0.1 %"]


def _listed(title: str, items: Sequence[str]) -> list[str]:
    if not items:
        return []
    joined = ", ".join(item.replace(" ", HARD_SPACE) for item in items)
    return _wrapped(f"{title}: {joined}")


def _wrapped(text: str) -> list[str]:
    lines = wrap(text, WIDTH, subsequent_indent="   ", break_on_hyphens=False)
    return [line.replace(HARD_SPACE, " ") for line in lines]
