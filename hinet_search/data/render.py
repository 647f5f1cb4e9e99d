"""Render: a description of data as plain text, at most 100 columns wide."""

from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap

from hinet_search.data.columns import SPLITS
from hinet_search.data.description import Description, ListFacts, Overlap
from hinet_search.records import CellCount

WIDTH = 100
BAR = 12
FEW_POSITIVES = 100  # below this many on test, an AUC is too uncertain to compare models by
MAX_LINES = 8
HARD_SPACE = "\u00a0"  # keeps a name and its number on one line


def render(description: Description) -> str:
    """The text that `hinet-search data describe` prints."""
    lines = [
        *_wrapped(_headline(description)),
        *_wrapped(f"split {description.split}: " + _split_rows(description)),
        *_cells(description.cells),
        *_marked(description),
        *(line for overlap in description.overlaps for line in _overlap(overlap, _scenarios(description.cells))),
        *_features(description),
    ]
    return "\n".join(line.rstrip() for line in lines)


def percent(share: float) -> str:
    """`45 %`, `4.8 %`, `.36 %`: two significant digits."""
    value = 100 * share
    if value >= 9.95 or value == 0:
        return f"{value:.0f} %"
    return f"{value:.1f} %" if value >= 0.995 else f"{value:.2f} %".lstrip("0")


def _headline(description: Description) -> str:
    num_features = len(description.categorical) + len(description.numeric)
    total = sum(description.rows)
    rates = ", ".join(
        f"{task} {percent(sum(sum(cell.positives) for cell in description.cells if cell.task == task) / total)}"
        for task in dict.fromkeys(cell.task for cell in description.cells)
    )
    parts = [f"{total:,} rows", f"{num_features} features", f"tasks {rates}"]
    parts += [f"{overlap.what} {overlap.count:,}" for overlap in description.overlaps]
    if description.time is not None:
        parts.append(f"time {description.time[0]} to {description.time[1]}")
    return " · ".join(part.replace(" ", HARD_SPACE) for part in parts)


def _split_rows(description: Description) -> str:
    return ", ".join(f"{name} {rows:,} rows" for name, rows in zip(SPLITS, description.rows, strict=True))


def _scenarios(cells: Sequence[CellCount]) -> list[str]:
    return list(dict.fromkeys(cell.scenario for cell in cells))


def _cells(cells: Sequence[CellCount]) -> Iterator[str]:
    """One line a scenario: rows, share with a bar, label rates, and positives on test (`!` where they are few)."""
    tasks = list(dict.fromkeys(cell.task for cell in cells))
    total = sum(sum(cell.rows) for cell in cells if cell.task == tasks[0])
    table = [["scenario", "rows", "share", *tasks, "test positives"]]
    for scenario in _scenarios(cells):
        own = [cell for cell in cells if cell.scenario == scenario]
        rows = sum(own[0].rows)
        few = " !" if min(cell.positives[2] for cell in own) < FEW_POSITIVES else ""
        rates = [percent(sum(cell.positives) / rows) for cell in own]
        positives = " / ".join(f"{cell.positives[2]:,}" for cell in own)
        share = f"{_bar(rows / total):<{BAR}} {percent(rows / total):>5}"
        table.append([_cut(scenario, 24), f"{rows:,}", share, *rates, positives + few])
    yield from _aligned(table)
    if any(row[-1].endswith("!") for row in table):
        yield f"!  fewer than {FEW_POSITIVES} positives on test: the AUC of that cell is uncertain"


def _bar(share: float) -> str:
    """Blocks in eighths, the full width for all rows."""
    whole, eighths = divmod(max(1, round(share * BAR * 8)), 8)
    return "█" * whole + " ▏▎▍▌▋▊▉"[eighths].strip()


def _marked(description: Description) -> Iterator[str]:
    lines = [f"!! {warning}" for warning in description.warnings]
    for broken in description.funnel_breaks:
        first = ", ".join(f"{row:,}" for row in broken.first_rows)
        more = ", ..." if broken.rows > len(broken.first_rows) else ""
        what = f"{broken.later} 1 and {broken.earlier} 0 in {broken.rows:,} of its rows (row {first}{more})"
        lines.append(f"!! {broken.later} > {broken.earlier} in {broken.scenario}: {what}")
    for leak in description.leaks:
        area = f"{leak.auc:.3f}".lstrip("0")
        lines.append(f"!! {leak.feature} alone has AUC {area} for {leak.task} on train: does it know the label?")
    for line in lines:
        yield from _wrapped(line)


def _overlap(overlap: Overlap, scenarios: Sequence[str]) -> Iterator[str]:
    """Matrix of shares: of the row scenario's users, how many are seen in the column scenario."""
    if len(scenarios) == 1:
        return
    yield f"{overlap.what} of the row's scenario that are seen in the column's too"
    shown = [_cut(name, 10) for name in scenarios[:MAX_LINES]]
    table = [["", *shown]]
    for name, shares in zip(scenarios[:MAX_LINES], overlap.share, strict=False):
        table.append([_cut(name, 16), *(percent(share) for share in shares[:MAX_LINES])])
    yield from _aligned(table)
    if len(scenarios) > MAX_LINES:
        yield f"(the first {MAX_LINES} of {len(scenarios)} scenarios)"


def _features(description: Description) -> Iterator[str]:
    total = sum(description.rows)
    values = [f"{facts.name} {facts.num_values:,}" for facts in description.categorical]
    missing = [(one.name, one.missing / total) for one in description.categorical]
    missing += [(one.name, one.missing / total) for one in description.numeric]
    yield from _listed("distinct values", values)
    yield from _listed("missing", _largest(missing))
    yield from _listed("unseen in valid", _largest((one.name, one.unseen_valid) for one in description.categorical))
    yield from _listed("unseen in test", _largest((one.name, one.unseen_test) for one in description.categorical))
    yield from _listed("lists", [_list_in_words(facts) for facts in description.lists])
    yield from _listed("inputs of groups", [f"{name} {count}" for name, count in description.groups.items()])


def _list_in_words(facts: ListFacts) -> str:
    shares = f"{percent(facts.empty)} of rows without, {percent(facts.unseen)} of entries unseen in train"
    return f"{facts.name} of {facts.mean_length:.1f} entries ({shares})"


def _largest(rates: Iterable[tuple[str, float]], below: float = 0.001) -> list[str]:
    """Rates of at least .1 %, the largest first; the rest in one word."""
    rated = sorted(rates, key=lambda pair: -pair[1])
    shown = [f"{name} {percent(rate)}" for name, rate in rated if rate >= below]
    rest = ["others below .1 %" if shown else "none above .1 %"]
    return [*shown, *(rest if len(shown) < len(rated) else [])]


def _listed(title: str, items: Sequence[str]) -> list[str]:
    together = ", ".join(item.replace(" ", HARD_SPACE) for item in items)
    return _wrapped(f"{title}: {together}") if items else []


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _wrapped(text: str) -> list[str]:
    lines = wrap(text, WIDTH, subsequent_indent="   ", break_on_hyphens=False)
    return [line.replace(HARD_SPACE, " ") for line in lines]


def _aligned(table: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns side by side, the first to the left and the others to the right; too wide ones are cut at the end."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for row in table:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        yield "  ".join(cells)[:WIDTH]
