"""Render: a description of data as plain text: sentences of at most 100 columns, and tables."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap

from rich.bar import Bar
from rich.console import RenderableType

from hinet_search.common.amounts import mean_in_words, percent
from hinet_search.common.terminal import UNCUT, table_text
from hinet_search.data.columns import SPLITS
from hinet_search.data.guess.training_settings import TrainingSettings
from hinet_search.data.inspect.describe import Description, ListFacts, Overlap
from hinet_search.results.data_record import CellCount

WIDTH = 100
BAR = 12
FEW_POSITIVES = 100  # below this many on test, an AUC is too uncertain to compare models by
MAX_LINES = 8
NO_TASK = "no task"
HARD_SPACE = "\u00a0"  # keeps a name and its number on one line


def render(description: Description, width: int = UNCUT) -> str:
    """Write the text that `hinet-search data describe` prints; tables wrap at `width`."""
    lines = [
        *_wrapped(_headline(description)),
        *_wrapped(f"split {description.split}: {_split_rows(description)}"),
        *_cells(description.cells, width),
        *_warnings(description),
    ]
    scenarios = _scenarios(description.cells)
    for overlap in description.overlaps:
        lines += _overlap(overlap, scenarios, width)
    lines += _features(description)
    lines += _settings(description.settings)
    return "\n".join(lines)


def _headline(description: Description) -> str:
    num_features = len(description.categorical) + len(description.numeric)
    total = sum(description.rows)
    rows = Counter[str]()
    positives = Counter[str]()
    for cell in description.cells:
        rows[cell.task] += sum(cell.rows)
        positives[cell.task] += sum(cell.positives)
    means = _mean_amounts(description.cells)
    shares = {task: percent(count / rows[task]) for task, count in positives.items()}
    shares |= {task: f"mean {mean_in_words(amount)}" for task, amount in means.items()}
    rates = ", ".join(f"{task} {share}" for task, share in shares.items())
    parts = [f"{total:,} rows", f"{num_features} features", f"tasks {rates}"]
    parts += [f"{overlap.what} {overlap.count:,}" for overlap in description.overlaps]
    if description.time is not None:
        parts.append(f"time {description.time[0]} to {description.time[1]}")
    return " · ".join(part.replace(" ", HARD_SPACE) for part in parts)


def _mean_amounts(cells: Sequence[CellCount]) -> dict[str, float]:
    """The mean amount of every task of amounts, over the rows of these cells."""
    rows = Counter[str]()
    totals = dict[str, float]()
    for cell in cells:
        if cell.means is not None:
            rows[cell.task] += sum(cell.rows)
            total = sum(mean * count for mean, count in zip(cell.means, cell.rows, strict=True))
            totals[cell.task] = totals.get(cell.task, 0.0) + total
    return {task: total / max(rows[task], 1) for task, total in totals.items()}


def _split_rows(description: Description) -> str:
    counts = zip(SPLITS, description.rows, strict=True)
    return ", ".join(f"{name} {rows:,} rows" for name, rows in counts)


def _scenarios(cells: Sequence[CellCount]) -> list[str]:
    return list(dict.fromkeys(cell.scenario for cell in cells))


def _cells(cells: Sequence[CellCount], width: int) -> Iterator[str]:
    """One line a scenario: rows, share with a bar, label rates, and positives on test.

    A task of amounts has their mean in place of a rate. `!` marks scenarios with few positives on
    test.
    """
    tasks = list(dict.fromkeys(cell.task for cell in cells))
    amounts = {cell.task for cell in cells if cell.means is not None}
    positive = "rows above 0" if amounts else "positives"
    rows_of = {cell.scenario: sum(cell.rows) for cell in cells}
    total = sum(rows_of.values())
    table: list[list[RenderableType]] = []
    is_uncertain = False
    for scenario, rows in rows_of.items():
        own_cells = [cell for cell in cells if cell.scenario == scenario]
        own = {cell.task: cell.positives for cell in own_cells}
        few = " !" if min(counts[2] for counts in own.values()) < FEW_POSITIVES else ""
        rate_of = {task: percent(sum(counts) / rows) for task, counts in own.items()}
        means = _mean_amounts(own_cells)
        rate_of |= {task: mean_in_words(amount) for task, amount in means.items()}
        rates = [rate_of.get(task, NO_TASK) for task in tasks]
        positives = " / ".join(f"{own[task][2]:,}" if task in own else NO_TASK for task in tasks)
        share = Bar(total, 0, rows, width=BAR)
        table.append([scenario, f"{rows:,}", share, percent(rows / total), *rates, positives + few])
        is_uncertain |= bool(few)
    names = [f"mean {task}" if task in amounts else task for task in tasks]
    header = ["scenario", "rows", "share", "", *names, f"test {positive}"]
    yield table_text(table, header, right={1, *range(3, len(header))}, width=width)
    if is_uncertain:
        few_rows = f"fewer than {FEW_POSITIVES} {positive} on test"
        yield f"!  {few_rows}: the AUC of that cell is uncertain"


def _warnings(description: Description) -> Iterator[str]:
    lines = [f"!! {warning}" for warning in description.warnings]
    amounts = _mean_amounts(description.cells)
    for broken in description.funnel_breaks:
        first = ", ".join(f"{row:,}" for row in broken.first_rows)
        more = ", ..." if broken.rows > len(broken.first_rows) else ""
        lines.append(
            f"!! {broken.later} > {broken.earlier} in {broken.scenario}: {broken.later} "
            f"{'above 0' if broken.later in amounts else '1'} and "
            f"{broken.earlier} 0 in {broken.rows:,} of its rows (row {first}{more})"
        )
    for leak in description.leaks:
        area = f"{leak.auc:.3f}".lstrip("0")
        lines.append(
            f"!! {leak.feature} alone has AUC {area} for {leak.task} on train: "
            "does it know the label?"
        )
    for line in lines:
        yield from _wrapped(line)


def _overlap(overlap: Overlap, scenarios: Sequence[str], width: int) -> Iterator[str]:
    """Matrix of shares: of the row scenario's users, how many are also in the column scenario."""
    if len(scenarios) == 1:
        return
    yield f"{overlap.what} of the row's scenario that are seen in the column's too"
    first = scenarios[:MAX_LINES]
    table = [
        [name, *(percent(share) for share in shares[:MAX_LINES])]
        for name, shares in zip(first, overlap.share, strict=False)
    ]
    yield table_text(table, ["", *first], right=range(1, 1 + len(first)), width=width)
    if len(scenarios) > MAX_LINES:
        yield f"(the first {MAX_LINES} of {len(scenarios)} scenarios)"


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
    yield from _listed("lists", [_list_in_words(facts) for facts in description.lists])
    yield from _listed("inputs of groups", groups)


def _settings(settings: TrainingSettings) -> Iterator[str]:
    yield "keys of a study that follow from these rows (docs/studies.md#start-from-your-rows):"
    yield from (f"   {line}" for line in [*settings.lines(), f"passes: {settings.passes}"])


def _list_in_words(facts: ListFacts) -> str:
    return (
        f"{facts.name} of {facts.mean_length:.1f} entries ({percent(facts.empty)} of rows without, "
        f"{percent(facts.unseen)} of entries unseen in train)"
    )


def _largest(rates: Iterable[tuple[str, float]], below: float = 0.001) -> list[str]:
    """Rates of at least .1 %, the largest first, and a note about the others."""
    rated = sorted(rates, key=lambda pair: -pair[1])
    large = [f"{name} {percent(rate)}" for name, rate in rated if rate >= below]
    if len(large) == len(rated):
        return large
    return [*large, "others below .1 %" if large else "none above .1 %"]


def _listed(title: str, items: Sequence[str]) -> list[str]:
    if not items:
        return []
    joined = ", ".join(item.replace(" ", HARD_SPACE) for item in items)
    return _wrapped(f"{title}: {joined}")


def _wrapped(text: str) -> list[str]:
    lines = wrap(text, WIDTH, subsequent_indent="   ", break_on_hyphens=False)
    return [line.replace(HARD_SPACE, " ") for line in lines]
