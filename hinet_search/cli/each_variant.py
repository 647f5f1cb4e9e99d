"""Each variant: what `launch` and `check` do with all variants of a study, one after another."""

from collections.abc import Callable, Mapping
from typing import Any

import click

from hinet_search.cli.errors import report_error
from hinet_search.cli.output import OutputLost, output
from hinet_search.common.errors import HinetSearchError, Interrupted


def each_variant(
    study: str, given: Mapping[str, Any], work: Callable[[dict[str, Any]], None]
) -> None:
    """Do the work with the options of every variant; as given if one is chosen or it has none.

    The error of a variant is shown, and the next one begins; the command then ends with the code of
    the first error. An interruption ends all.
    """
    from hinet_search.study.overrides import variants_of_study

    names = () if given["variant"] else variants_of_study(study)
    if not names:
        work(dict(given))
        return
    codes: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        output().note(f"variant {name} ({number} of {len(names)})")
        try:
            work({**given, "variant": name})
        except (Interrupted, OutputLost):
            raise
        except HinetSearchError as error:
            codes[name] = report_error(error, click.get_current_context())
    if codes:
        failed = f"failed: {', '.join(codes)} ({len(codes)} of {len(names)} variants)"
        output().note(failed)
        click.get_current_context().exit(next(iter(codes.values())))
