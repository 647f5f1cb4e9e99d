"""Each variant: what `launch` and `check` do with all variants of a study, one after another."""

from collections.abc import Iterator, Mapping
from typing import Any

from hinet_search.cli.output import output


def each_variant(study: str, given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the options for every variant of a study; as given if one is chosen or it has none."""
    from hinet_search.study.variants import variants_of_study

    names = () if given["variant"] else variants_of_study(study)
    if not names:
        yield dict(given)
    for number, name in enumerate(names, start=1):
        output().note(f"variant {name} ({number} of {len(names)})")
        yield {**given, "variant": name}
