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
from hinet_search.results.statistics.welch import ArmValues
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import in_words, title


def refuse_other_data(before: StudyRecord, after: StudyRecord) -> None:
    """Raise ConfigurationError if the numbers of two studies are not comparable."""
    names = f"studies '{before.name}' and '{after.name}' cannot be compared"
    if not _same_test_rows(before.data, after.data):
        raise _other_test_rows(before, after, names)
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
    if before.fingerprint == after.fingerprint:
        return True
    ours = before.test_rows
    theirs = after.test_rows
    if ours is None or theirs is None:
        return False
    same_identity = ours.by_identity is not None and ours.by_identity == theirs.by_identity
    return same_identity or ours.in_order == theirs.in_order


def _same_units(before: DataRecord, after: DataRecord) -> bool:
    """Whether the test users (without users: rows) are the same in the same order.

    Both hashes must agree: equal identities may have another order, an equal order other users.
    """
    if before.fingerprint == after.fingerprint:
        return True
    return before.test_rows is not None and before.test_rows == after.test_rows


def _other_test_rows(before: StudyRecord, after: StudyRecord, names: str) -> ConfigurationError:
    must = f"{names}: both must be tested on the same rows, with the same scenarios and labels"
    fingerprints = f"fingerprints {before.data.fingerprint} and {after.data.fingerprint}"
    unknown = in_words(
        [f"'{record.name}'" for record in (before, after) if record.data.test_rows is None]
    )
    if unknown:
        return ConfigurationError(
            f"{must}, got {fingerprints}, and the test rows of {unknown} were not recorded",
            remedy=f"launch {unknown} again under another name: "
            "an earlier version of hinet-search did not record them",
        )
    return ConfigurationError(
        f"{must}, got others ({fingerprints})",
        remedy="launch one of them with the rows, split, scenarios and tasks of the other; "
        "features may differ",
    )


def common_arms(before: StudyRecord, after: StudyRecord) -> tuple[tuple[ArmRecord, ArmRecord], ...]:
    """Return (arm of `before`, arm of `after`) per common name, in the order of `after`."""
    earlier = {arm.name: arm for arm in before.arms}
    return tuple((earlier[arm.name], arm) for arm in after.arms if arm.name in earlier)


def across(before: StudyRecord, after: StudyRecord) -> tuple[Contrast, ...]:
    """Compute the gain of every common arm in `after` over `before`, in the headline on test."""
    paired = before.seed == after.seed and _same_units(before.data, after.data)
    pairs = [
        (new.name, _side(after, new, paired=paired), _side(before, old, paired=paired))
        for old, new in common_arms(before, after)
    ]
    return judged(pairs, "the same users")


def _side(record: StudyRecord, arm: ArmRecord, *, paired: bool) -> ArmValues:
    side = arm_values(record, arm)
    return side if paired else replace(side, resampled=(), num_units=0)


def sentence(before: StudyRecord, after: StudyRecord) -> str:
    """Summarise the comparison in a sentence, by rules."""
    known = [contrast for contrast in across(before, after) if contrast.difference is not None]
    if not known:
        return f"Not decided yet: no arm was opened on test in both {before.name} and {after.name}."
    names = f"{after.name} against {before.name}"
    observed = [contrast for contrast in known if contrast.mark == "observation"]
    if len(observed) == len(known):
        return f"{names}: an observation, not a claim ({_reasons(observed)})."
    ahead = [title(contrast.arm) for contrast in claims(known, "better")]
    behind = [title(contrast.arm) for contrast in claims(known, "worse")]
    alike = len(known) - len(ahead) - len(behind) - len(observed)
    unclaimed = in_words([title(contrast.arm) for contrast in observed])
    rest = f" No claim about {unclaimed} ({_reasons(observed)})." if observed else ""
    if not ahead and not behind:
        compared = f"the same arm of {before.name}"
        return f"No arm of {after.name} differs significantly from {compared}.{rest}"
    results = [f"better in {in_words(ahead)}"] if ahead else []
    results += [f"worse in {in_words(behind)}"] if behind else []
    without = f"; {alike} without significant difference" if alike else ""
    return f"{names}: {' and '.join(results)}{without}.{rest}"


def _reasons(observed: Sequence[Contrast]) -> str:
    return "; ".join(dict.fromkeys(contrast.lacks for contrast in observed))


def _arm_names(record: StudyRecord) -> str:
    return in_words([arm.name for arm in record.arms]) if record.arms else "none"
