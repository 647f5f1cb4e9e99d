"""Cross definition: pairs of categorical features, each a categorical field of its own."""

from collections.abc import Collection, Mapping, Sequence

from hinet_search.common.errors import did_you_mean
from hinet_search.common.frozen_model import Text
from hinet_search.study.event_definition import key_name

Cross = tuple[Text, Text]


def cross_columns(crosses: Sequence[Cross]) -> dict[str, Cross]:
    """Return the pair of columns of every cross, by its name: `daytime x weekday`."""
    return {key_name(cross): cross for cross in crosses}


def check_crosses(
    crosses: Sequence[Cross], categorical: Collection[str], others: Mapping[str, str]
) -> None:
    """Raise ValueError unless every cross is a pair of its own of different `categorical` features.

    `others` are the names of all other inputs, which no cross may have, and what each is in words.
    """
    pairs = [frozenset(cross) for cross in crosses]
    names = [*categorical, *others, *map(key_name, crosses)]
    for cross, pair in zip(crosses, pairs, strict=True):
        for feature in cross:
            if feature not in categorical:
                raise ValueError(f"crosses: {_no_category(feature, categorical, others)}")
        if len(pair) == 1:
            raise ValueError(
                f"crosses: '{cross[0]}' must be crossed with another feature, got itself; name two "
                "different ones, or remove the pair"
            )
        if pairs.count(pair) > 1:
            raise ValueError(
                f"crosses: {cross[0]} and {cross[1]} must be crossed once, got twice; remove one"
            )
        if names.count(key_name(cross)) > 1:
            raise ValueError(
                f"crosses: '{key_name(cross)}' must not be the name of another input; rename the "
                "column or the list of that name"
            )


def _no_category(feature: str, categorical: Collection[str], others: Mapping[str, str]) -> str:
    """Say of a name that it is no categorical feature, and what to do about it."""
    wanted = f"'{feature}' must be one of the categorical features"
    if feature in others:
        return f"{wanted}, got {others[feature]}; list it under categorical instead, or remove it"
    return f"{wanted}, got {', '.join(categorical) or 'none'}{did_you_mean(feature, categorical)}"
