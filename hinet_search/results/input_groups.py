"""Input groups: the values of `features.groups`, which say what groups of inputs a model has."""

from collections.abc import Collection, Sequence

GROUPS = "features.groups"  # the name of the setting
ALL = "all"
NONE = "none"
AND = "+"


def chosen_groups(groups: str, known: Collection[str]) -> frozenset[str]:
    """Return the groups that a valid `features.groups` selects."""
    if groups in (ALL, NONE):
        return frozenset(known if groups == ALL else ())
    return frozenset(groups.split(AND))


def groups_without(left_out: Collection[str], known: Sequence[str]) -> str:
    """Return the value of `features.groups` that leaves these groups out of the known ones."""
    if not left_out:
        return ALL
    return AND.join(group for group in known if group not in left_out) or NONE
