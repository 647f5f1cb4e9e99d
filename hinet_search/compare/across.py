"""Across: the arms of the same name in two studies of one data fingerprint, the later study against the earlier.

Both studies read the same test rows, so means are comparable. Resampled users cancel only where both studies drew the same
ones, which is where their seeds are equal; otherwise the users are not counted, and the contrast says so.
"""

from dataclasses import replace

from hinet_search.compare.contrasts import Contrast, claims, judged, side_of
from hinet_search.compare.finalists import headline
from hinet_search.compare.rules import SEEDS_FOR_A_CLAIM, in_words, title
from hinet_search.compare.welch import Side
from hinet_search.errors import ConfigurationError
from hinet_search.records import ArmRecord, StudyRecord


def refuse_other_data(before: StudyRecord, after: StudyRecord) -> None:
    """ConfigurationError when no number of one study may be held against one of the other."""
    names = f"studies '{before.name}' and '{after.name}' cannot be compared"
    if before.data.fingerprint != after.data.fingerprint:
        raise ConfigurationError(
            f"{names}: both must have the same data, got fingerprints {before.data.fingerprint} and {after.data.fingerprint}",
            remedy="launch one of them with the data definition of the other: rows of test differ between these",
        )
    measures = [headline(one.objective) for one in (before, after)]
    if measures[0] != measures[1]:
        raise ConfigurationError(
            f"{names}: both must be judged by the same measure, got {measures[0]} and {measures[1]}",
            remedy="launch one of them with the objective of the other",
        )
    if not common_arms(before, after):
        raise ConfigurationError(
            f"{names}: they must have an arm of the same name, got {_named(before)} in one and {_named(after)} in the other",
            remedy="arms are compared by their names: give them the same in both study files",
        )


def common_arms(before: StudyRecord, after: StudyRecord) -> tuple[tuple[ArmRecord, ArmRecord], ...]:
    """(arm of `before`, arm of `after`) for every name in both, in the order of the later study."""
    earlier = {arm.name: arm for arm in before.arms}
    return tuple((earlier[arm.name], arm) for arm in after.arms if arm.name in earlier)


def across(before: StudyRecord, after: StudyRecord) -> tuple[Contrast, ...]:
    """Gain of every common arm of `after` over itself in `before`, in the headline on test."""
    paired = before.seed == after.seed  # else other users were drawn
    pairs = [
        (new.name, _side(after, new, paired=paired), _side(before, old, paired=paired))
        for old, new in common_arms(before, after)
    ]
    return judged(pairs, "the same users")


def _side(record: StudyRecord, arm: ArmRecord, *, paired: bool) -> Side:
    side = side_of(record, arm)
    return side if paired else replace(side, resampled=(), num_units=0)


def sentence(before: StudyRecord, after: StudyRecord) -> str:
    """What came out, by rules."""
    found = across(before, after)
    known = [one for one in found if one.difference is not None]
    if not known:
        return f"Not decided yet: no arm was opened on test in both {before.name} and {after.name}."
    seeds = min(min(one.seeds) for one in known)
    if seeds < SEEDS_FOR_A_CLAIM:
        return f"{after.name} against {before.name}: an observation with {seeds} seed{'s' if seeds > 1 else ''}, not a claim."
    ahead, behind = ([title(one.arm) for one in claims(known, mark)] for mark in ("better", "worse"))
    if not ahead and not behind:
        return f"No arm of {after.name} is told apart from the same arm of {before.name}."
    said = [f"better in {in_words(ahead)}"] if ahead else []
    said += [f"worse in {in_words(behind)}"] if behind else []
    alike = len(known) - len(ahead) - len(behind)
    return f"{after.name} against {before.name}: {' and '.join(said)}{f'; {alike} not told apart' if alike else ''}."


def _named(record: StudyRecord) -> str:
    return in_words([arm.name for arm in record.arms]) if record.arms else "none"
