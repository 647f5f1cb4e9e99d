"""Pair: compare two studies with the same test rows on one page, arm by arm."""

from collections.abc import Iterator

from markupsafe import Markup

from hinet_search.report.card import Card
from hinet_search.report.drawing import html, numbers
from hinet_search.report.drawing.figures import ForestRow, forest
from hinet_search.report.facts import record as record_facts
from hinet_search.report.page import environment, source
from hinet_search.report.text.comparisons import how_drawn
from hinet_search.results.records import ArmRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.two_studies import across, common_arms, refuse_other_data, sentence
from hinet_search.results.verdict import title

Fact = tuple[str, str, str]  # what, before, after


def render_pair(before: StudyRecord, after: StudyRecord) -> str:
    """Return the page; ConfigurationError if the two studies cannot be compared."""
    refuse_other_data(before, after)
    templates = environment()
    outcome = sentence(before, after)
    return templates.get_template("pair.html").render(
        title=outcome,
        heading=outcome,
        names=(before.name, after.name),
        forest=_forest(before, after),
        cards=(_differences(before, after), _limits(before, after)),
        script=Markup(source(templates, "script.js")),  # noqa: S704  # our own file
    )


def _forest(before: StudyRecord, after: StudyRecord) -> Markup:
    contrasts = across(before, after)
    rows = [
        ForestRow(title(contrast.arm), "", contrast.difference, contrast.reason)
        for contrast in contrasts
    ]
    measure = record_facts.headline_in_words(after)
    legend = (
        f"Gain of the chosen finalist of {after.name} over that of {before.name} "
        f"in {measure} on test ({after.data.split}), difference of the means over seeds. "
        f"{how_drawn(contrasts, 'arm')}"
    )
    if not after.maximize:
        legend += f" Lower {measure} is better; a positive gain means lower."
    return forest(rows, "Arm", f"Gain of {after.name}") + html.note(legend)


def _differences(before: StudyRecord, after: StudyRecord) -> Card:
    differing = [(what, old, new) for what, old, new in _facts(before, after) if old != new]
    if not differing:
        return Card("differs", "", "No other recorded difference", "", Markup(""))
    rows = [html.row(what, html.words(old), html.words(new)) for what, old, new in differing]
    header = html.head("What", before.name, after.name, numeric_from=9)
    heading = numbers.plural(len(differing), "recorded difference")
    lead = "A gain comes with all of these together."
    content = html.scroll("What differs", html.table(header, rows, class_="words"))
    return Card("differs", "", heading, lead, content)


def _facts(before: StudyRecord, after: StudyRecord) -> Iterator[Fact]:
    """Yield what may differ between the studies, with its two values."""
    old_facts = _of_study(before)
    new_facts = _of_study(after)
    for what, old_value in old_facts.items():
        yield what, str(old_value), str(new_facts[what])
    for old, new in common_arms(before, after):
        name = title(new.name)
        yield f"Trials of {name}", str(old.trials_done), str(new.trials_done)
        old_settings = _settings(old)
        new_settings = _settings(new)
        only_old = _only_in(old_settings, new_settings)
        only_new = _only_in(new_settings, old_settings)
        yield f"Settings of {name}", only_old, only_new
    for name in dict.fromkeys([*before.versions, *after.versions]):
        versions = [record.versions.get(name, "not recorded") for record in (before, after)]
        yield f"Version: {name}", versions[0], versions[1]


def _of_study(record: StudyRecord) -> dict[str, object]:
    """Return the facts of a study apart from its arms and versions."""
    budget = record.budget
    data = record.data
    return {
        "Trials per arm": budget.trials or "none",
        "Passes": numbers.plain(budget.passes, 6) if budget.passes else "none",
        "Seeds per finalist": budget.finalist_seeds or "none",
        "Finalists per arm": budget.finalist_top or "none",
        "Cost limit": numbers.plain(budget.cost_limit, 6) if budget.cost_limit else "none",
        "Objective": record.objective,
        "Sampler": record.sampler,
        "Pruner": record.pruner,
        "Seed": record.seed,
        "Data": data.fingerprint,
        "Categorical inputs": data.num_categorical,
        "Numeric inputs": data.num_numeric,
        "Training rows": f"{data.rows[0]:,}",
    }


def _settings(arm: ArmRecord) -> dict[str, str]:
    """Return what the arm fixed or searched, in words."""
    settings = {name: numbers.setting(value) for name, value in arm.fixed.items()}
    for searched in arm.ranges:
        if searched.low is None or searched.high is None:
            settings[searched.name] = f"one of {', '.join(searched.choices)}"
        else:
            low = numbers.without_zero(f"{searched.low:g}")
            high = numbers.without_zero(f"{searched.high:g}")
            settings[searched.name] = f"{low} to {high}{', log' if searched.log else ''}"
    return settings


def _only_in(settings: dict[str, str], others: dict[str, str]) -> str:
    """Return the settings that the other study does not have in the same words."""
    differing = [f"{name}: {text}" for name, text in settings.items() if others.get(name) != text]
    return "; ".join(differing) or "no others"


def _limits(before: StudyRecord, after: StudyRecord) -> Card:
    same = "Both studies are tested on the same rows, with the same scenarios and labels"
    fingerprints = [record.data.fingerprint for record in (before, after)]
    rows = f"{same} (fingerprint {fingerprints[1]})."
    if fingerprints[0] != fingerprints[1]:
        rows = (
            f"{same}, as hashes of these rows show, though their data differ otherwise "
            f"(fingerprints {fingerprints[0]} and {fingerprints[1]})."
        )
    uses = numbers.plural(max(before.test_accesses, after.test_accesses), "time")
    used = f"The test split was used {uses}: each use makes a difference by chance more likely."
    searches = (
        "Each side is the best of its own search. The searches differ in everything listed above, "
        "so a gain here cannot be attributed to a single setting."
    )
    lines = [f"{rows} {used}", searches]
    shared = {new.name for _, new in common_arms(before, after)}
    alone: list[str] = []
    for record in (before, after):
        others = [arm for arm in record.arms if arm.name not in shared]
        alone += [f"{title(arm.name)} ({record.name})" for arm in others]
    if alone:
        lines.append(f"In one study only, and not compared: {', '.join(alone)}.")
    return Card("limits", "", "Limits of this comparison", "", html.bullets(lines, "said"))
