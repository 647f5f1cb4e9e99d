"""Experts: whether parallel experts compute different things."""

from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.drawing import html, numbers
from hinet_search.report.drawing.figures import bar
from hinet_search.report.facts import insight_means
from hinet_search.report.facts import record as record_facts
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
        for place in insight_means.similarities(finalist):
            name = html.join([f"{title(arm.name)} ", html.tag("code", place.where)])
            mean = numbers.share(place.mean)
            highest = numbers.share(place.most)
            rows.append(html.row(name, str(place.count), bar(place.mean), mean, highest))
            if place.most > most:
                most = place.most
                alike = f"{title(arm.name)} compute nearly the same ({place.where}, {highest})"
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
    similarity = html.scroll("Similarity of experts", html.table(header, rows, class_="cost"))
    return Card("experts", "Why", heading, lead, html.join([similarity, explained]), folded=True)
