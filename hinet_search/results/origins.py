"""Origins: where an arm's trials are from: its default, what it tried first, or its sampler."""

from hinet_search.results.records import ArmRecord, Start, TrialRecord, comparison_key


class Origins:
    """The origins of an arm's trials."""

    def __init__(self, arm: ArmRecord) -> None:
        self._starts = {comparison_key(start.values): start for start in reversed(arm.starts)}

    def start_of(self, trial: TrialRecord) -> Start | None:
        """Return the start that a trial is; None for the default and for draws of the sampler."""
        if trial.is_default:
            return None
        return self._starts.get(comparison_key(trial.parameters))

    def of(self, trial: TrialRecord) -> str:
        """Return the origin in words: `default`, `portfolio 3`, `spring: mmoe/12`, `sampler`."""
        start = self.start_of(trial)
        if start is not None:
            return start.origin
        return "default" if trial.is_default else "sampler"
