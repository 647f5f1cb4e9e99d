"""Selection: whether selecting an ensemble's members gains on users that it did not see."""

from hinet_search.report.drawing import numbers
from hinet_search.report.finding import Finding, passed, warning
from hinet_search.results.ensemble_records import EnsembleRecord, SelectionGain
from hinet_search.results.study_record import StudyRecord

ORDER = 144


def check(record: StudyRecord) -> Finding | None:
    """Warn of a selection that gains on the rows that chose it, but not when cross-fitted."""
    judged = [(each, each.gain) for each in record.ensembles if each.gain is not None]
    if not judged:
        return None
    vanishing = [
        (ensemble, gain)
        for ensemble, gain in judged
        if ensemble.method == "selected" and gain.low <= 0
    ]
    if not vanishing:
        return passed(" ".join(_passed(ensemble, gain) for ensemble, gain in judged))
    return warning(
        "The gain of selecting members vanishes on users that the selection did not see.",
        [_vanishes(record, ensemble, gain) for ensemble, gain in vanishing],
        remedy="Take the plain mean or a single model, or launch the study again, which selects "
        "only where that is shown to gain.",
    )


def _vanishes(record: StudyRecord, ensemble: EnsembleRecord, gain: SelectionGain) -> str:
    sign = 1.0 if record.maximize else -1.0
    in_sample = numbers.gain(sign * (ensemble.valid_objective - gain.mean_value))
    name = ensemble.name.capitalize()
    return f"{name}: {in_sample} on the rows that chose it, {_cross_fitted(gain)} on others."


def _cross_fitted(gain: SelectionGain) -> str:
    return f"{numbers.gain(gain.estimate)} ({numbers.interval(gain.low, gain.high)})"


def _passed(ensemble: EnsembleRecord, gain: SelectionGain) -> str:
    name = ensemble.name.capitalize()
    if ensemble.method == "selected":
        return (
            f"{name}: selecting members gains {_cross_fitted(gain)} on users that it did not see."
        )
    return (
        f"{name}: the plain mean, as selecting is not shown to gain on users that it did not see."
    )
