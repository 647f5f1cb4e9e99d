"""Sizes: which arms have as many parameters as the arm in focus, so that a difference is not one of capacity."""

from hinet_search.compare.finalists import chosen
from hinet_search.records import ArmRecord, StudyRecord

SAME_SIZE = 0.1  # arms whose dense parameters differ by at most this share are of one size


def same_size(record: StudyRecord, focus: ArmRecord) -> tuple[ArmRecord, ...]:
    """Other arms of the size of `focus`: first those built to its size, then those within 10 % of its dense parameters."""
    others = [arm for arm in record.arms if arm.name != focus.name]
    built = [arm for arm in others if arm.size_of == focus.name]
    ours = dense_parameters(focus)
    near = [arm for arm in others if arm not in built and _near(dense_parameters(arm), ours)]
    return (*built, *near)


def dense_parameters(arm: ArmRecord) -> int | None:
    """Parameters without embeddings of the arm's chosen finalist; None before there is one."""
    finalist = chosen(arm)
    return finalist.runs[0].cost.dense_parameters if finalist else None


def _near(theirs: int | None, ours: int | None) -> bool:
    return bool(ours and theirs) and abs((theirs or 0) - (ours or 0)) <= SAME_SIZE * (ours or 0)
