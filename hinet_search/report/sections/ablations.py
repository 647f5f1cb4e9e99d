"""Ablations: the focus model against variants of it with a part changed."""

from hinet_search.report import html, numbers, record_facts
from hinet_search.report.figures import ForestRow, forest
from hinet_search.report.sections import Card, NotApplicable
from hinet_search.results.contrasts import Contrast, claims
from hinet_search.results.records import ArmRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import in_words, title, verdict

ORDER = 46


def build(record: StudyRecord) -> Card:
    """Build one row per variant, with the change beside its name."""
    focus = record_facts.focus_of(record)
    variants = {arm.name for arm in record.arms if focus and arm.model == focus.model}
    contrasts = [contrast for contrast in verdict(record).contrasts if contrast.arm in variants]
    contrasts.sort(key=lambda each: -(each.mean or 0.0))
    if focus is None or not contrasts:
        name = focus.name if focus else "hinet"
        model = focus.model if focus else "hinet"
        raise NotApplicable(
            f"needs arms that are {title(name)} with a part changed, evaluated on test, such as "
            f"`no_san: {{model: {model}, fixed: {{model.san.enabled: false}}}}` in the study"
        )
    arms = {arm.name: arm for arm in record.arms}
    rows = []
    for contrast in contrasts:
        changed = _changed(focus, arms[contrast.arm])
        rows.append(ForestRow(title(contrast.arm), changed, contrast.difference, contrast.reason))
    measure = record_facts.headline_in_words(record)
    lead = f"Gain of {title(focus.name)} in {measure} on test over itself with a part changed."
    legend = html.note(
        "Intervals and marks are those of the verdict. "
        "A loss without a part does not show how the part works."
    )
    body = html.join([forest(rows, "Compared with", f"Gain of {title(focus.name)}"), legend])
    return Card("ablations", "Why", _heading(focus, contrasts), lead, body)


def _changed(focus: ArmRecord, arm: ArmRecord) -> str:
    """Return the fixed settings that differ; settings that only the focus fixes are free."""
    changed = []
    for name in sorted({*arm.fixed, *focus.fixed}):
        if name not in arm.fixed:
            changed.append(f"{name} not fixed")
        elif name not in focus.fixed or focus.fixed[name] != arm.fixed[name]:
            changed.append(f"{name} = {numbers.setting(arm.fixed[name])}")
    return ", ".join(changed)


def _heading(focus: ArmRecord, contrasts: list[Contrast]) -> str:
    name = title(focus.name)
    if all(contrast.mark == "observation" for contrast in contrasts):
        return f"Variants of {name}"
    costly = [title(contrast.arm) for contrast in claims(contrasts, "better")]
    if costly:
        are = numbers.agree(len(costly), "is", "are")
        return f"{in_words(costly)} {are} worse than this {name}"
    if claims(contrasts, "worse"):
        return f"A variant beats this {name}"
    return f"No significant difference between this {name} and its variants"
