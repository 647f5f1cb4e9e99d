"""Experts: whether those that stand beside one another compute different things."""

from collections.abc import Sequence

from markupsafe import Markup

from hinet_search.compare import title
from hinet_search.records import StudyRecord
from hinet_search.report import numbers, reading, shown
from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.figures import bar
from hinet_search.report.markup import column, head, join, note, row, scroll, table, tag, unnamed
from hinet_search.report.shown import Alike

ORDER = 42
SAME = 0.95  # experts above are as good as one


def build(record: StudyRecord) -> Card:
    """One row per place in the model of every arm that has several experts."""
    found = [(title(arm.name), one) for arm, finalist in reading.finalists(record) for one in shown.alike(finalist)]
    if not found:
        raise NotApplicable("needs finalists with two experts beside each other, trained by this version")
    several = any(len(finalist.runs) > 1 for _, finalist in reading.finalists(record))
    lead = (
        "Similarity of what two experts give out on the same validation rows (linear CKA"
        f"{', mean over seeds' if several else ''}): 1 is the same up to a rotation, 0 has nothing in common."
    )
    explained = note(
        "Mean: over all pairs, and over scenarios where each has experts of its own. Most alike: the pair that is most so "
        "with a seed."
    )
    return Card("experts", "Why", _heading(found), lead, join([_table(found), explained]), half=True)


def _heading(found: Sequence[tuple[str, Alike]]) -> str:
    same = [(name, one) for name, one in found if one.most > SAME]
    if not same:
        return "No two experts do the same"
    name, one = max(same, key=lambda pair: pair[1].most)
    return f"Two experts of {name} do nearly the same ({one.where}, {numbers.share(one.most)})"


def _table(found: Sequence[tuple[str, Alike]]) -> Markup:
    rows = [
        row(
            join([f"{name} ", tag("code", one.where)]),
            str(one.count),
            bar(one.mean),
            numbers.share(one.mean),
            numbers.share(one.most),
        )
        for name, one in found
    ]
    header = head("Arm and place", "Experts", unnamed("drawn"), column("Mean", "r"), "Most alike")
    return scroll("Similarity of experts", table(header, rows, class_="cost"))
