"""Inputs: what each group of inputs is shown to be worth, and which groups were dropped."""

from collections.abc import Iterator

from hinet_search.report import html, numbers, record_facts
from hinet_search.report.figures import ForestRow, forest
from hinet_search.report.sections import Card, NotApplicable
from hinet_search.results.ablation import MeasuredInputs, measured_inputs
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import in_words, title

ORDER = 49


def build(record: StudyRecord) -> Card:
    """Build a row for each group, the one with the highest worth first."""
    measured = measured_inputs(record)
    if measured is None:
        raise NotApplicable(
            "needs data with groups of inputs, measured before the search; "
            "`inputs: auto` in the study file measures them"
        )
    if not measured.choice.worths:
        raise NotApplicable("needs trainings without a group of inputs that ended with a value")
    objective = record_facts.objective_in_words(record)
    num_groups = len(measured.choice.worths)
    confidence = ", 95 %"
    if num_groups > 1:
        confidence = f"; with 95 % confidence they hold for all {num_groups} groups"
    legend = html.note(
        f"Worth: the gain in {objective} on validation from a group beside all others, "
        "a mean over paired seeds with its interval over seeds alone (Student t"
        f"{confidence}). "
        "Groups that are shown to be worth less than the margin, and not shown to help, are "
        f"dropped together, if the same is shown of all of them. {_own_inputs(measured)}"
    )
    lead = (
        f"{measured.sentence} Measured before the search with the default configuration of "
        f"{title(measured.arm)} and {numbers.plural(measured.num_seeds, 'seed')}; "
        "other arms may use a group better or worse."
    )
    useful = measured.choice.useful
    heading = "What the inputs are worth: no gain is shown"
    if useful:
        heading = (
            f"What the inputs are worth: on these rows a gain is shown with {in_words(useful)}"
        )
    if measured.dropped:
        heading += f"; {in_words(measured.dropped)} dropped"
    body = html.join([forest(list(_rows(measured)), "Group of inputs", "Worth"), legend])
    return Card("inputs", "Search", heading, lead, body)


def _rows(measured: MeasuredInputs) -> Iterator[ForestRow]:
    choice = measured.choice
    sizes = measured.record.data.groups
    for group, worth in choice.worths.items():
        remark = [numbers.plural(sizes[group], "input")] if group in sizes else []
        if measured.followers:
            remark.append("dropped" if group in measured.dropped else "kept")
        yield ForestRow(group, ", ".join(remark), worth)
    if choice.together is not None and len(choice.small) > 1:
        yield ForestRow(in_words(choice.small), "together", choice.together)


def _own_inputs(measured: MeasuredInputs) -> str:
    """Name the arms that do not follow the choice."""
    names = record_facts.arm_titles(
        arm for arm in measured.record.arms if arm not in measured.followers
    )
    if not names:
        return ""
    if not measured.followers:
        return (
            "No arm follows this choice: the study or a space sets its inputs, "
            "or trials were made before."
        )
    keep = numbers.agree(len(names), "keeps its", "keep their")
    return f"{in_words(names)} {keep} own inputs, as the study or a space sets them."
