"""Compared: what a study compared, how arms are represented, and its progress so far, in words."""

from collections.abc import Sequence

from markupsafe import Markup

from hinet_search.report.drawing import html, numbers
from hinet_search.report.facts import record as record_facts
from hinet_search.results.best_model import is_fully_tested
from hinet_search.results.finalist_values import chosen, headline_by_seed
from hinet_search.results.records import ArmRecord
from hinet_search.results.statistics.paired_difference import summary
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title


def progress(record: StudyRecord) -> Markup:
    """State the best trial on validation, or the test value of a study's only arm."""
    if len(record.arms) == 1 and is_fully_tested(record.arms[0]):
        finalist = chosen(record.arms[0])
        reached = summary(headline_by_seed(record, finalist, "test").values())
        if reached is None:
            return html.tag("p")
        value = html.tag("b", numbers.metric(reached.mean))
        seeds = numbers.plural(reached.seeds, "seed")
        measure = f" {record_facts.headline_in_words(record)} on test, mean over {seeds}."
        return html.tag("p", f"{title(record.arms[0].name)} reaches ", value, measure)
    steps_by_arm = [(arm, record_facts.best_so_far(record, arm)) for arm in record.arms]
    known = [(arm, steps) for arm, steps in steps_by_arm if steps is not None]
    if not known:
        return html.tag("p", "No trial has finished with a value yet.")
    arm, steps = max(known, key=lambda pair: record.sign * pair[1].best)
    best_trial = f"Best on validation so far: trial {steps.best_trial} of {title(arm.name)} with "
    caveat = "One trial is one seed, so this is no ranking of the arms."
    objective = f" {record_facts.objective_in_words(record)}. {caveat}"
    return html.tag("p", best_trial, html.tag("b", numbers.metric(steps.best)), objective)


def in_words(record: StudyRecord) -> Markup:
    """Return two lines, folded."""
    names = ", ".join(record_facts.arm_titles(record.arms)) or "none yet"
    trials = numbers.plural(record.budget.trials, "trial")
    budget = f"up to {trials} of {numbers.plural(record.budget.passes, 'pass')} each"
    arms = f"{numbers.plural(len(record.arms), 'arm')} ({names})"
    objective = record_facts.objective_in_words(record)
    sample = f", searched on {record.data.searched_on}" if record.data.sample else ""
    compared = f"{arms}, {budget}, selected by {objective} on validation{sample}."
    lines = html.bullets([compared, _selected(record)], "said")
    return html.details("What was compared", lines, on_paper=True)


def _selected(record: StudyRecord) -> str:
    retrained = [arm for arm in record.arms if arm.finalists]
    counts: list[int] = []
    for arm in retrained:
        counts += [len(finalist.runs) for finalist in arm.finalists]
    if not counts:
        return "No configuration has been retrained yet, so there are no test values."
    top = record.budget.finalist_top
    with_seeds = f"retrained with {numbers.seeds(counts)}"
    has_default = _has_defaults(retrained, top)
    if top == 1 and not has_default:
        return f"The best configuration of each arm was {with_seeds}; it represents the arm."
    tuned = f"{top} best configurations" if top > 1 else "best configuration"
    were = "and its default were" if has_default else "were"
    criterion = "mean" if max(counts) > 1 else "value"
    return (
        f"The {tuned} of each arm {were} {with_seeds}; "
        f"the one with the best {criterion} on validation represents the arm."
    )


def _has_defaults(retrained: Sequence[ArmRecord], top: int) -> bool:
    """Whether defaults were retrained beside the `top` best trials, or are among them."""
    is_beside = any(len(arm.finalists) > top for arm in retrained)
    return is_beside or all(arm.default for arm in retrained)
