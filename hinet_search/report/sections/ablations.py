"""Ablations: the focus model against variants of it with a part changed."""

from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.drawing import numbers
from hinet_search.report.drawing.figures import ForestRow, forest
from hinet_search.report.drawing.html import join, note
from hinet_search.report.facts import record as record_facts
from hinet_search.results.contrasts import Contrast, claims
from hinet_search.results.records import ArmRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import in_words, title, verdict

ORDER = 46


def build(record: StudyRecord) -> Card:
    """Build one row per variant, with the change beside its name."""
    focus = record_facts.focus_of(record)
    contrasts = {contrast.arm: contrast for contrast in verdict(record).contrasts}
    if focus is None:
        raise _not_applicable("hinet", "hinet")
    variants = [arm for arm in record.arms if arm.model == focus.model and arm.name != focus.name]
    if not variants or not contrasts:
        raise _not_applicable(focus.name, focus.model)
    pairs = [(arm, contrasts[arm.name]) for arm in variants if arm.name in contrasts]
    pairs.sort(key=lambda pair: -(pair[1].difference.mean if pair[1].difference else 0.0))
    rows = [
        ForestRow(title(arm.name), _changed(focus, arm), contrast.difference, contrast.reason)
        for arm, contrast in pairs
    ]
    measure = record_facts.headline_in_words(record)
    lead = f"Gain of {title(focus.name)} in {measure} on test over itself with a part changed."
    legend = note(
        "Intervals and marks are those of the verdict. "
        "A loss without a part does not show how the part works."
    )
    body = join([forest(rows, "Compared with", f"Gain of {title(focus.name)}"), legend])
    heading = _heading(focus, [contrast for _, contrast in pairs])
    return Card("ablations", "Why", heading, lead, body)


def _not_applicable(arm: str, model: str) -> NotApplicable:
    return NotApplicable(
        f"needs arms that are {title(arm)} with a part changed, evaluated on test, such as "
        f"`no_san: {{model: {model}, fixed: {{model.san.enabled: false}}}}` in the study"
    )


def _changed(focus: ArmRecord, arm: ArmRecord) -> str:
    """Return the fixed settings that differ; settings that only the focus fixes are free."""
    fixed = {name: f"{name} = {numbers.setting(value)}" for name, value in arm.fixed.items()}
    free = {name: f"{name} not fixed" for name in focus.fixed if name not in arm.fixed}
    same = {
        name
        for name, value in arm.fixed.items()
        if name in focus.fixed and focus.fixed[name] == value
    }
    return ", ".join(text for name, text in sorted({**fixed, **free}.items()) if name not in same)


def _heading(focus: ArmRecord, contrasts: list[Contrast]) -> str:
    name = title(focus.name)
    if all(contrast.mark == "observation" for contrast in contrasts):
        return f"Variants of {name}"
    costly = claims(contrasts, "better")
    if not costly:
        if claims(contrasts, "worse"):
            return f"A variant beats {name}"
        return f"No significant difference between {name} and its variants"
    are = "is" if len(costly) == 1 else "are"
    return f"{in_words([title(contrast.arm) for contrast in costly])} {are} worse than {name}"
