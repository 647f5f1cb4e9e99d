"""Reproduce: commands, the study file, the chosen configurations, versions and data."""

import json

from markupsafe import Markup

from hinet_search.report import html, numbers, record_facts
from hinet_search.report.commands import launch_command, report_command
from hinet_search.report.sections import Card
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 70


def build(record: StudyRecord) -> Card:
    """Build the commands, files and facts that are needed to run this again."""
    chosen = []
    for arm, finalist in record_facts.finalists(record):
        # Exact values, one per line, as `--set` takes them.
        lines = []
        for name, value in sorted({**arm.fixed, **finalist.parameters}.items()):
            text = str(value)
            if value is None or isinstance(value, bool):
                text = json.dumps(value)
            lines.append(f"{name}: {text}")
        chosen.append((title(arm.name), html.code_block("\n".join(lines))))
    blocks = []
    for name, content in chosen[:1]:
        blocks.append(html.details(f"Chosen configuration of {name}", content, on_paper=True))
    others = [html.details(name, content) for name, content in chosen[1:]]
    if others:
        blocks.append(html.details("Chosen configurations of the other arms", html.join(others)))
    if record.study_yaml:
        blocks.append(html.details("Study file", html.code_block(record.study_yaml)))
    blocks.append(html.details("Versions and data", _versions(record), on_paper=True))
    commands = html.code_block(f"{launch_command(record)}\n{report_command(record)}")
    lead = (
        "The first command runs this study, the second writes this page. "
        "The results are also stored in this file as JSON."
    )
    body = html.join([commands, html.folds(blocks)])
    return Card("reproduce", "Reproduce", "Reproduce and use", lead, body)


def _versions(record: StudyRecord) -> Markup:
    data = record.data
    budget = record.budget
    counts = " / ".join(map(numbers.compact, data.rows))
    devices = set()
    for arm in record.arms:
        devices |= {trial.cost.device for trial in arm.trials if trial.cost is not None}
        for finalist in arm.finalists:
            devices |= {run.cost.device for run in finalist.runs}
    machine = ", ".join(sorted(devices)) or "unknown"
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    seeds = numbers.plural(budget.finalist_seeds, "seed")
    time = "" if budget.seconds is None else f" in a budget of {numbers.duration(budget.seconds)}"
    updated = f" {record.updated[:16].replace('T', ' ')} UTC" if record.updated else ""
    better = "larger" if record.maximize else "smaller"
    facts = {
        "Study": f"{record.description or record.name}; {record.state}{updated}",
        "Data": f"{data.source}, fingerprint {data.fingerprint}",
        "Rows": f"{counts} in train / valid / test",
        "Inputs": f"{data.num_categorical} categorical, {data.num_numeric} numeric",
        "Split": data.split,
        "Objective": f"{record.objective}, {better} is better",
        "Search": f"{record.sampler}, pruner {record.pruner}, seed {record.seed}",
        "Budget": f"{numbers.plural(budget.trials, 'trial')} per arm{time}, "
        f"{numbers.plural(budget.epochs, 'epoch')}, "
        f"{seeds} for {numbers.plural(budget.finalist_top, 'finalist')}",
        "Machine": f"{machine}; {numbers.plural(record.slots, 'slot')}, "
        f"{numbers.duration(record.seconds)}",
        "Software": versions or "not recorded",
    }
    if data.sample is not None:
        facts["Sample"] = data.searched_on
    rows = [html.row(name, html.words(text)) for name, text in facts.items()]
    body = html.tag("tbody", html.join(rows))
    return html.tag("table", html.caption("What was run"), body, class_="words")
