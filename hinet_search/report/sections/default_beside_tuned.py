"""Default beside tuned: validation of every finalist, so that what the search added can be seen."""

from collections.abc import Sequence

from markupsafe import Markup

from hinet_search.compare import Difference, Summary, chosen, gain, objective_by_seed, summary, title
from hinet_search.records import ArmRecord, FinalistRecord, StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.figures import CLASSES, marked
from hinet_search.report.markup import details, head, join, note, number, row, scroll, table, tag

ORDER = 51


def build(record: StudyRecord) -> Card:
    """One line per arm, all finalists in a table that opens."""
    arms = [arm for arm in reading.ordered_arms(record) if any(finalist.runs for finalist in arm.finalists)]
    if not arms:
        raise NotApplicable("needs finalists; the launch command trains them once the trials are done")
    several = any(len(finalist.runs) > 1 for arm in arms for finalist in arm.finalists)
    lead = (
        f"{reading.capitalized(reading.objective_in_words(record))} on validation, {'mean over seeds' if several else '1 seed'}. The best of several finalists looks better "
        "than it is; the same rule held for all arms."
    )
    kept = sum(one.is_default for arm in arms if (one := chosen(arm)) is not None)
    heading = f"{kept or 'None'} of {numbers.plural(len(arms), 'arm')} kept the default configuration"
    return Card(
        "default-beside-tuned",
        "Search",
        heading,
        lead,
        join([_summary(record, arms), _every_finalist(record, arms, several=several)]),
        half=True,
    )


def _reached(record: StudyRecord, finalist: FinalistRecord | None) -> Summary | None:
    return summary(list(objective_by_seed(record, finalist, "valid").values())) if finalist else None


def _written(reached: Summary | None) -> Markup:
    if reached is None:
        return number(numbers.DASH)
    return number(join([numbers.metric(reached.mean), " ", tag("small", numbers.spread(reached.deviation))]))


def _summary(record: StudyRecord, arms: Sequence[ArmRecord]) -> Markup:
    rows = []
    for arm in arms:
        default = next((finalist for finalist in arm.finalists if finalist.is_default), None)
        tuned = _best_tuned(record, arm)
        one = chosen(arm)
        took = "none yet" if one is None else "default" if one.is_default else f"trial {one.trial_number}"
        rows.append(
            row(
                title(arm.name),
                _written(_reached(record, default)),
                _written(_reached(record, tuned)),
                _gain_cell(record, tuned, default),
                took,
            )
        )
    header = head("Arm", "Default", "Best tuned", "Gain of tuning", "Chosen")
    return scroll("Default beside tuned", table(header, rows))


def _best_tuned(record: StudyRecord, arm: ArmRecord) -> FinalistRecord | None:
    tuned = [(found.mean, f) for f in arm.finalists if not f.is_default and (found := _reached(record, f)) is not None]
    pick = max if record.maximize else min
    return pick(tuned, key=lambda pair: pair[0])[1] if tuned else None


def _gain_cell(record: StudyRecord, tuned: FinalistRecord | None, default: FinalistRecord | None) -> Markup:
    left = objective_by_seed(record, tuned, "valid") if tuned else {}
    right = objective_by_seed(record, default, "valid") if default else {}
    if not left.keys() & right.keys():
        return number(tag("small", "not comparable"))
    found: Difference = gain(left, right, maximize=record.maximize)
    return number(marked(found), CLASSES[found.mark])


def _every_finalist(record: StudyRecord, arms: Sequence[ArmRecord], *, several: bool) -> Markup:
    rows = [
        row(
            title(arm.name),
            "default" if finalist.is_default else f"trial {finalist.trial_number}",
            str(len(finalist.runs)),
            _written(_reached(record, finalist)),
            "chosen" if finalist.chosen else "",
        )
        for arm in arms
        for finalist in arm.finalists
    ]
    content = scroll("All finalists", table(head("Arm", "Finalist", "Seeds", "Validation", ""), rows))
    intervals = "▲ ▼: the 95 % interval over paired seeds, each on its own, excludes 0."
    explained = note(intervals if several else "≈: one seed gives no interval.")
    summary_line = f"All {len(rows)} finalists" if len(rows) > 1 else "The only finalist"
    return join([explained, details(summary_line, content)])
