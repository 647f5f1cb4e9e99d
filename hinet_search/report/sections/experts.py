"""Experts: whether parallel experts compute different things.

Shape legend: S seeds, K experts, P pairs of experts.
"""

import numpy as np

from hinet_search.report import html, numbers, record_facts
from hinet_search.report.figures import bar
from hinet_search.report.sections import Card, NotApplicable
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 42
SAME = 0.95  # two experts with a larger similarity are redundant


def build(record: StudyRecord) -> Card:
    """Build one row per arm and place in its model that has several experts."""
    rows = []
    most = 0.0
    alike = ""
    for arm, finalist in record_facts.finalists(record):
        tables: dict[str, list[tuple[tuple[float, ...], ...]]] = {}
        for run in finalist.runs:
            for similarity in run.insight.similarities:
                tables.setdefault(similarity.where, []).append(similarity.table)
        for where, by_seed in tables.items():
            table_SKK = np.array(by_seed)
            count = table_SKK.shape[1]
            pairs_SP = table_SKK[:, *np.triu_indices(count, 1)]
            mean = float(pairs_SP.mean())
            most_similar = float(pairs_SP.max(axis=1).mean())  # the mean of seeds' maxima
            highest = numbers.share(most_similar)
            name = html.join([f"{title(arm.name)} ", html.tag("code", where)])
            rows.append(html.row(name, str(count), bar(mean), numbers.share(mean), highest))
            if most_similar > most:
                most = most_similar
                alike = f"{title(arm.name)} compute nearly the same ({where}, {highest})"
    if not rows:
        raise NotApplicable("needs finalists with parallel experts, trained by this version")
    heading = "No two experts compute nearly the same"
    if most > SAME:
        heading = f"Two experts of {alike}"
    several = record_facts.has_several_seeds(record)
    lead = (
        "Similarity of the outputs of two experts on the same validation rows"
        f"{', mean over seeds' if several else ''}: 0 is nothing in common, 1 the same up to "
        "rotation and scale (a measure known as linear CKA)."
    )
    explained = html.note(
        "Mean: over all pairs of experts, and over scenarios if each has its own experts. "
        "Most similar: the largest value of any pair, by seed."
    )
    header = html.head(
        "Arm and place", "Experts", html.unnamed("drawn"), html.column("Mean", "r"), "Most similar"
    )
    scrolled = html.table("Similarity of experts", header, rows, class_="cost")
    return Card("experts", "Why", heading, lead, html.join([scrolled, explained]), folded=True)
