"""Ablations: the model in focus against the same model with a part changed, where a study has such arms."""

from hinet_search.compare import Contrast, Verdict, claims, in_words, title, verdict
from hinet_search.records import ArmRecord, StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.figures import ForestRow, forest
from hinet_search.report.markup import join, note

ORDER = 46


def build(record: StudyRecord) -> Card:
    """One row per variant, what is changed beside its name."""
    focus, outcome = reading.focus_of(record), verdict(record)
    variants = [arm for arm in record.arms if focus and arm.model == focus.model and arm.name != focus.name]
    if focus is None or not variants or not outcome.contrasts:
        name = focus.name if focus else "hinet"
        model = focus.model if focus else "hinet"
        raise NotApplicable(
            f"needs arms that are {title(name)} with a part changed, opened on test; in the study "
            f"`no_san: {{model: {model}, fixed: {{model.san.enabled: false}}}}` is one"
        )
    found = [(arm, one) for arm in variants for one in outcome.contrasts if one.arm == arm.name]
    found.sort(key=lambda pair: -(pair[1].difference.mean if pair[1].difference else 0.0))
    rows = [ForestRow(title(arm.name), _changed(focus, arm), one.difference, one.reason) for arm, one in found]
    measure = reading.headline_in_words(record)
    lead = f"Gain of {title(focus.name)} in {measure} on test over itself with a part changed."
    legend = note("Intervals and marks are those of the verdict. A loss without a part is no statement of how it acts.")
    body = join([forest(rows, "Compared with", f"Gain of {title(focus.name)}"), legend])
    return Card("ablations", "Why", _heading(focus, outcome, [one for _, one in found]), lead, body)


def _changed(focus: ArmRecord, arm: ArmRecord) -> str:
    """Fixed settings in which the variant differs; what the focus alone holds is free in the variant."""
    held = {name: f"{name} = {numbers.setting(value)}" for name, value in arm.fixed.items()}
    free = {name: f"{name} not held" for name in focus.fixed if name not in arm.fixed}
    same = {name for name, value in arm.fixed.items() if name in focus.fixed and focus.fixed[name] == value}
    return ", ".join(said for name, said in sorted({**held, **free}.items()) if name not in same)


def _heading(focus: ArmRecord, outcome: Verdict, found: list[Contrast]) -> str:
    name = title(focus.name)
    if outcome.status == "observation":
        return f"What do variants of {name} reach?"
    costly = claims(found, "better")
    if not costly:
        return f"No variant is told apart from {name}" if not claims(found, "worse") else f"A variant beats {name}"
    lie = "lies" if len(costly) == 1 else "lie"
    return f"{in_words([title(one.arm) for one in costly])} {lie} below {name}"
