"""Check encodings: whether the encodings of numbers that arms name are of numbers of the data."""

from itertools import chain

from hinet_search.common.errors import did_you_mean
from hinet_search.data.derived.inputs import derived_names
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.feature_definition import FeatureDefinition
from hinet_search.study.load_study import NUMBER_ENCODING, NUMBER_ENCODINGS, Arm
from hinet_search.training.setting_names import setting_of


def unfit_encodings(arm: Arm, data: DataDefinition) -> list[str]:
    """List the encodings of an arm for which the data have no number."""
    features = data.features
    derived = derived_names(data)
    groups = [name for name in features.groups if _has_numbers(name, features)]
    listed = (*features.numeric, *derived, *groups)
    known = (*listed, *chain.from_iterable(derived.values()))
    problems = []
    for name in (*arm.space.parameters, *arm.space.fixed):
        if setting_of(name) not in (NUMBER_ENCODING, NUMBER_ENCODINGS):
            continue
        of = name.removeprefix(f"{NUMBER_ENCODINGS}.")
        if not known:
            needed = "needs a number among the inputs"
            got = "(features.numeric, statistics, matches, events or session), got none"
        elif of not in (name, *known):
            more = " or a derived number" if derived else ""
            needed = f"must end with one of {', '.join(listed)}{more},"
            got = f"got '{of}'{_which(of, features)}{did_you_mean(of, known)}"
        else:
            continue
        problems.append(f"{arm.space.places[name]}: {name} {needed} {got}")
    return problems


def _has_numbers(group: str, features: FeatureDefinition) -> bool:
    return not {*features.groups[group]}.isdisjoint(features.numeric)


def _which(name: str, features: FeatureDefinition) -> str:
    """Say what a name that is of no number is of, if of anything."""
    if name in features.categorical:
        return ", a categorical field"
    return ", a group without numbers" if name in features.group_names else ""
