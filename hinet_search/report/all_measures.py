"""All measures of the arms, folded: what the leaderboard leaves out, and costs of training."""

from collections.abc import Iterator, Sequence
from statistics import fmean

from markupsafe import Markup

from hinet_search.report import html, numbers, record_facts
from hinet_search.report.amounts import wording
from hinet_search.report.figures import marked, over_seeds
from hinet_search.report.standings import (
    LeaderboardEntry,
    ResultsOnTest,
    ResultsOnValidation,
    loses_everywhere,
)
from hinet_search.results.finalist_values import chosen, measure
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

WEIGHTED = "weighted AUC"


def all_measures(record: StudyRecord, lines: Sequence[LeaderboardEntry]) -> Markup:
    """Return the table and its legend."""
    legend = html.note(" ".join(_legend(record, lines)))
    content = html.join([_table(record, lines), legend])
    return html.details("All measures and costs of every arm", content)


def _measures(
    record: StudyRecord, line: LeaderboardEntry, lines: Sequence[LeaderboardEntry]
) -> dict[str, dict[str, Markup]]:
    """Return the cells of a line by heading and name, the same names for all lines."""
    selected = record_facts.objective_in_words(record)
    primary = record_facts.headline_in_words(record)
    has_ensembles = any(other.valid.ensemble is not None for other in lines)
    valid = {selected: over_seeds(line.valid.objective)}
    if primary != selected:
        valid[primary] = over_seeds(line.valid.headline)
    if has_ensembles:
        valid[f"ensemble, {selected}"] = _ensemble(line.valid)
    groups = {"Validation": valid}
    test = {}  # but the headline, which the leaderboard has
    if primary != WEIGHTED:
        test[WEIGHTED] = over_seeds(line.test.weighted if line.test else None)
    if has_ensembles:
        test[f"ensemble, {primary}"] = _ensemble(line.test)
    test["worst cell"] = _worst(line.test)
    if any(other.test for other in lines):
        groups["Test"] = test
    if any(other.reference for other in lines):
        groups[f"Test, over {title(record.reference)}"] = {
            "smallest cell gain": _smallest(line),
            "cells below": _below(line),
        }
    names = ("parameters", "FLOPs per row", "rows/s", "time", "memory")
    groups["Cost"] = dict(zip(names, _costs(line), strict=True))
    return groups


def _costs(line: LeaderboardEntry) -> list[Markup]:
    """Return the costs of an arm; rows per second and time of training are means over its seeds."""
    finalist = chosen(line.arm)
    assert finalist is not None, "a line has a chosen finalist"
    costs = [run.cost for run in finalist.runs]
    cost = costs[0]
    size = [html.number(numbers.DASH)] * 2  # not a torch model
    if cost.flops_per_row:
        dense = f"{numbers.compact(cost.dense_parameters)} dense"
        parameters = html.remarked(numbers.compact(cost.parameters), dense)
        size = [html.number(parameters), html.number(numbers.compact(cost.flops_per_row))]
    memory = max(cost.peak_memory_bytes for cost in costs)
    return [
        *size,
        html.number(numbers.compact(fmean(cost.rows_per_second for cost in costs))),
        html.number(numbers.duration(fmean(cost.seconds for cost in costs))),
        html.number(f"{numbers.compact(memory)}B" if memory else numbers.DASH),
    ]


def _ensemble(results: ResultsOnValidation | ResultsOnTest | None) -> Markup:
    if results is None or results.ensemble is None:
        return html.number(numbers.DASH)
    gain = numbers.gain(results.ensemble_gain)
    return html.number(html.remarked(numbers.metric(results.ensemble), gain))


def _worst(test: ResultsOnTest | None) -> Markup:
    if test is None or test.worst is None:
        return html.number(numbers.DASH)
    value, cell = test.worst
    return html.number(
        html.remarked(numbers.metric(value), record_facts.cell_in_words(cell)), class_="in"
    )


def _smallest(line: LeaderboardEntry) -> Markup:
    cell = line.reference.smallest if line.reference else None
    if cell is None or cell.difference is None:
        return html.number(numbers.DASH)
    where = record_facts.cell_in_words(cell.name)
    return html.number(html.remarked(marked(cell.difference), where), class_="in")


def _below(line: LeaderboardEntry) -> Markup:
    if line.reference is None:
        return html.number(numbers.DASH)
    return html.number("all" if loses_everywhere(line.reference) else str(line.reference.seesaw))


def _table(record: StudyRecord, lines: Sequence[LeaderboardEntry]) -> Markup:
    focus = record_facts.focus_of(record)
    edges = [html.tag("colgroup", span="1")]
    spans = [html.tag("td")]
    names: list[str] = []
    for heading, of_group in _measures(record, lines[0], lines).items():
        width = str(len(of_group))
        edges.append(html.tag("colgroup", span=width))
        spans.append(html.tag("th", heading, scope="colgroup", colspan=width))
        names += of_group
    titles = html.tag("tr", html.column("Arm"), html.columns(names))
    header = html.tag("thead", html.tag("tr", html.join(spans)), titles)
    body = []
    for line in lines:
        remarks = [f"same size as {title(line.arm.size_of)}"] if line.arm.size_of else []
        remarks += ["reference"] if line.arm.name == record.reference else []
        remark = html.tag("small", ", ".join(remarks)) if remarks else ""
        name = html.join([title(line.arm.name), " ", remark])
        cells: list[Markup] = []
        for of_group in _measures(record, line, lines).values():
            cells += of_group.values()
        me = "me" if line.arm == focus else ""
        body.append(html.row(name, html.join(cells), class_=me))
    written = html.tag(
        "table",
        html.caption("All measures"),
        html.join(edges),
        header,
        html.tag("tbody", html.join(body)),
        class_="board",
    )
    return html.scroll("All measures", written)


def _legend(record: StudyRecord, lines: Sequence[LeaderboardEntry]) -> Iterator[str]:
    if any(line.valid.ensemble is not None for line in lines):
        averaged = wording(record.data).prediction
        yield f"Ensemble: mean {averaged} of all seeds, and its gain over their mean."
    name = measure(record).words
    reference = title(record.reference)
    if any(line.test for line in lines):
        extreme = "lowest" if measure(record).maximize else "highest"
        yield f"Worst cell: the cell with the {extreme} {name}."
    if any(line.reference for line in lines):
        yield (
            f"Cells below: those below {reference} while others are above it (all: none is above)."
        )
    yield "Dense: parameters without embeddings. Rows per second, time and memory: of training."
