"""Two studies: compare arms of the same name in a later and an earlier study on the same test rows.

The rows are the same, so means are comparable. Resampled users cancel only if both studies drew the
same ones, which needs equal seeds and users in the same order. Otherwise the users are not counted
and nothing is claimed.
"""

from collections.abc import Sequence
from dataclasses import replace

from hinet_search.common.errors import ConfigurationError
from hinet_search.results.contrasts import Contrast, arm_values, claims, judged
from hinet_search.results.data_record import DataRecord
from hinet_search.results.finalist_values import headline
from hinet_search.results.records import ArmRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import in_words, title


def refuse_other_data(before: StudyRecord, after: StudyRecord) -> None:
    """Raise ConfigurationError if the numbers of two studies are not comparable."""
    names = f"studies '{before.name}' and '{after.name}' cannot be compared"
    if not _same_test_rows(before.data, after.data):
        raise ConfigurationError(
            f"{names}: both must be tested on the same rows, with the same scenarios and labels, "
            f"got others (fingerprints {before.data.fingerprint} and {after.data.fingerprint})",
            remedy="launch one of them with the rows, split, scenarios and tasks of the other; "
            "features may differ",
        )
    measures = [headline(record.objective) for record in (before, after)]
    if measures[0] != measures[1]:
        raise ConfigurationError(
            f"{names}: both must be judged by the same measure, "
            f"got {measures[0]} and {measures[1]}",
            remedy="launch one of them with the objective of the other",
        )
    if not common_arms(before, after):
        raise ConfigurationError(
            f"{names}: they must have an arm of the same name, "
            f"got {_arm_names(before)} in one and {_arm_names(after)} in the other",
            remedy="arms are compared by their names: give them the same in both study files",
        )


def _same_test_rows(before: DataRecord, after: DataRecord) -> bool:
    """Whether two data sets have the same test rows, by fingerprint or either hash of the rows."""
    ours = before.test_rows
    theirs = after.test_rows
    if before.fingerprint == after.fingerprint or ours is None or theirs is None:
        return before.fingerprint == after.fingerprint
    same_identity = ours.by_identity is not None and ours.by_identity == theirs.by_identity
    return same_identity or ours.in_order == theirs.in_order


def common_arms(before: StudyRecord, after: StudyRecord) -> tuple[tuple[ArmRecord, ArmRecord], ...]:
    """Return (arm of `before`, arm of `after`) per common name, in the order of `after`."""
    earlier = {arm.name: arm for arm in before.arms}
    return tuple((earlier[arm.name], arm) for arm in after.arms if arm.name in earlier)


def across(before: StudyRecord, after: StudyRecord) -> tuple[Contrast, ...]:
    """Compute the gain of every common arm in `after` over `before`, in the headline on test."""
    # Users (without users: rows) are the same in the same order if both hashes agree: equal
    # identities may have another order, an equal order other users.
    same_rows = before.data.test_rows is not None and before.data.test_rows == after.data.test_rows
    same_units = same_rows or before.data.fingerprint == after.data.fingerprint
    pairs = []
    for old, new in common_arms(before, after):
        ours = arm_values(after, new)
        theirs = arm_values(before, old)
        if before.seed != after.seed or not same_units:
            ours = replace(ours, resampled=(), num_units=0)
            theirs = replace(theirs, resampled=(), num_units=0)
        pairs.append((new.name, ours, theirs))
    return judged(pairs, "the same users")


def sentence(before: StudyRecord, after: StudyRecord) -> str:
    """Summarise the comparison in a sentence, by rules."""
    known = [contrast for contrast in across(before, after) if contrast.difference is not None]
    if not known:
        return f"Not decided yet: no arm was opened on test in both {before.name} and {after.name}."
    names = f"{after.name} against {before.name}"
    observed = [contrast for contrast in known if contrast.mark == "observation"]
    reasons = "; ".join(dict.fromkeys(contrast.lacks for contrast in observed))
    if len(observed) == len(known):
        return f"{names}: an observation, not a claim ({reasons})."
    rest = f" No claim about {_titles(observed)} ({reasons})." if observed else ""
    ahead = claims(known, "better")
    behind = claims(known, "worse")
    if not ahead and not behind:
        compared = f"the same arm of {before.name}"
        return f"No arm of {after.name} differs significantly from {compared}.{rest}"
    alike = len(known) - len(ahead) - len(behind) - len(observed)
    without = f"; {alike} without significant difference" if alike else ""
    return f"{names}: {_results(ahead, behind)}{without}.{rest}"


def _results(ahead: Sequence[Contrast], behind: Sequence[Contrast]) -> str:
    results = [f"better in {_titles(ahead)}"] if ahead else []
    results += [f"worse in {_titles(behind)}"] if behind else []
    return " and ".join(results)


def _titles(contrasts: Sequence[Contrast]) -> str:
    return in_words([title(contrast.arm) for contrast in contrasts])


def _arm_names(record: StudyRecord) -> str:
    return in_words([arm.name for arm in record.arms]) if record.arms else "none"
