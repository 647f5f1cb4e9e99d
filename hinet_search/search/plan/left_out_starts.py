"""Left-out starts: warn of arms that list more configurations than their trials can try."""

from collections.abc import Iterator

from hinet_search.common.amounts import counted
from hinet_search.study.load_study import ResolvedStudy


def left_out_starts(study: ResolvedStudy) -> Iterator[str]:
    """Yield a warning for each arm whose `start` and default need more trials than there are."""
    for arm in study.arms:
        most = arm.most_trials(study.spec) - 1  # after the default
        starts = study.spec.arms[arm.name].start
        if len(starts) > most:
            configurations = counted(len(starts), "configuration")
            yield (
                f"arm {arm.name} starts with {configurations} after its default, of which "
                f"{most or 'none'} fit into {counted(study.spec.trials, 'trial')}"
            )
