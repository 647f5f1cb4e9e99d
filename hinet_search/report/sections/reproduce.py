"""Reproduce: commands, the study file, the chosen configurations, versions and data."""

import shlex
from collections.abc import Mapping

from markupsafe import Markup

from hinet_search.report.card import Card
from hinet_search.report.drawing import numbers
from hinet_search.report.drawing.html import details, folds, join, row, table, tag, words
from hinet_search.report.facts import record as record_facts
from hinet_search.results.records import Scalar
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 70


def build(record: StudyRecord) -> Card:
    """Build the commands, files and facts that are needed to run this again."""
    commands = [
        record.command or shlex.join(["hinet-search", "launch", record.name]),
        record_facts.report_command(record),
    ]
    chosen = [
        (title(arm.name), _configuration({**arm.fixed, **finalist.parameters}))
        for arm, finalist in record_facts.finalists(record)
    ]
    blocks = [
        details(f"Chosen configuration of {name}", content, on_paper=True)
        for name, content in chosen[:1]
    ]
    others = [details(name, content) for name, content in chosen[1:]]
    if others:
        blocks.append(details("Chosen configurations of the other arms", join(others)))
    if record.study_yaml:
        blocks.append(details("Study file", _block(record.study_yaml)))
    blocks.append(details("Versions and data", _versions(record), on_paper=True))
    body = [_block("\n".join(commands)), folds(blocks)]
    lead = (
        "The first command runs this study, the second writes this page. "
        "The results are also stored in this file as JSON."
    )
    return Card("reproduce", "Reproduce", "Reproduce and use", lead, join(body))


def _block(text: str) -> Markup:
    return tag("pre", tag("code", text), tabindex="0")


def _configuration(parameters: Mapping[str, Scalar]) -> Markup:
    """List exact values, one per line, as `--set` takes them."""
    return _block(
        "\n".join(f"{name}: {_exact(value)}" for name, value in sorted(parameters.items()))
    )


def _exact(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)


def _versions(record: StudyRecord) -> Markup:
    data = record.data
    budget = record.budget
    counts = " / ".join(numbers.compact(rows) for rows in data.rows)
    machine = ", ".join(_devices(record)) or "unknown"
    seeds = numbers.plural(budget.finalist_seeds, "seed")
    time = "" if budget.seconds is None else f" in a budget of {numbers.duration(budget.seconds)}"
    software = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    facts = {
        "Study": f"{record.description or record.name}; {record.state}{_moment(record.updated)}",
        "Data": f"{data.source}, fingerprint {data.fingerprint}",
        "Rows": f"{counts} in train / valid / test",
        "Inputs": f"{data.num_categorical} categorical, {data.num_numeric} numeric",
        "Split": data.split,
        "Objective": f"{record.objective}, {'larger' if record.maximize else 'smaller'} is better",
        "Search": f"{record.sampler}, pruner {record.pruner}, seed {record.seed}",
        "Budget": f"{numbers.plural(budget.trials, 'trial')} per arm{time}, "
        f"{numbers.plural(budget.passes, 'pass')}, "
        f"{seeds} for {numbers.plural(budget.finalist_top, 'finalist')}",
        "Machine": f"{machine}; {numbers.plural(record.slots, 'slot')}, "
        f"{numbers.duration(record.seconds)}",
        "Software": software or "not recorded",
    }
    return table(
        Markup(""), [row(name, words(text)) for name, text in facts.items()], class_="words"
    )


def _moment(time: str) -> str:
    return f" {time[:16].replace('T', ' ')} UTC" if time else ""


def _devices(record: StudyRecord) -> list[str]:
    runs = [run for arm in record.arms for finalist in arm.finalists for run in finalist.runs]
    costs = [trial.cost for arm in record.arms for trial in arm.trials if trial.cost is not None]
    return sorted({run.cost.device for run in runs} | {cost.device for cost in costs})
