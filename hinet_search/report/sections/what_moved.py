"""What moved: what each choice of the search is shown to be worth in the best finalist."""

from hinet_search.report import html, numbers, record_facts
from hinet_search.report.figures import ForestRow, forest
from hinet_search.report.sections import Card, NotApplicable
from hinet_search.results.ablation import Choice, measured_choices
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import in_words, title

ORDER = 47


def build(record: StudyRecord) -> Card:
    """Build a row for each choice, the one with the highest gain first, and one for all of them."""
    measured = measured_choices(record)
    if measured is None:
        raise NotApplicable(
            "needs the best finalist trained again without each choice of the search; "
            "the study key choices does so, unless the default is the best finalist"
        )
    objective = record_facts.objective_in_words(record)
    rows = []
    if measured.whole is not None:
        rows.append(ForestRow("all choices", "default → finalist", measured.whole))
    for choice in measured.choices:
        reason = "" if choice.gain else "no training without it has a value"
        rows.append(ForestRow(choice.name, _change(choice), choice.gain, reason))
    confidence = f"; with 95 % confidence they hold for all {len(rows)} rows"
    left = f" Not measured: {', '.join(measured.left)}." if measured.left else ""
    legend = html.note(
        f"Gain: that in {objective} on validation of the finalist over itself with one choice "
        "taken back to the default of its space, all others kept; a mean over paired seeds with "
        f"its interval over seeds alone (Student t{confidence if len(rows) > 1 else ', 95 %'}). "
        "Gains of single choices need not sum to that of all. The search chose on the same "
        "validation rows, though with other seeds: on other rows, test among them, expect smaller "
        "gains, and a small one that is shown may be of these rows alone."
        f"{left}"
    )
    name = title(measured.arm.name)
    lead = (
        f"{measured.sentence} Trial {measured.finalist.trial_number} of {name}, the best finalist, "
        f"trained again with {numbers.plural(measured.num_seeds, 'seed')} that chose nothing."
    )
    heading = "What moved it: no single choice is shown to have"
    if measured.shown:
        heading = (
            f"What moved it on these rows: {in_words([choice.name for choice in measured.shown])}"
        )
    body = html.join([forest(rows, "Choice", "Gain"), legend])
    return Card("what-moved", "Search", heading, lead, body)


def _change(choice: Choice) -> str:
    """Return `0.001 → 0.0042`; of several settings one after another."""
    changes = [
        f"{numbers.setting(default)} → {numbers.setting(value)}"
        for default, value in choice.settings.values()
    ]
    return ", ".join(changes[:2]) + (", …" if len(changes) > 2 else "")
