"""Range edges: best values at an end of their searched range that trials point to."""

from hinet_search.report import numbers, record_facts
from hinet_search.report.checks import Finding, passed, warning
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import in_words, title

ORDER = 80


def check(record: StudyRecord) -> Finding | None:
    """Warn of arms whose best configuration touches an end of a range that could be widened."""
    if not any(arm.trials for arm in record.arms):
        return None
    details: dict[str, str] = {}
    for arm in record.arms:
        values = []
        for searched, value, end in record_facts.at_the_edge(record, arm):
            wider = f"({end}: {searched.wider(end):g})"
            values.append(f"{searched.name} = {numbers.setting(value)} {wider}")
        if values:
            details[title(arm.name)] = f"{title(arm.name)}: {', '.join(values)}."
    if not details:
        return passed("No best value is shown to need a wider range.")
    have = numbers.agree(len(details), "has its best value", "have best values")
    return warning(
        f"{in_words(list(details))} {have} at the edge of a range, and trials improve towards it.",
        list(details.values()),
        remedy="A wider range may contain a better value: "
        "write the end in brackets under `parameters` of the study, beside the parameter's name, "
        "and launch with `--extend`.",
    )
