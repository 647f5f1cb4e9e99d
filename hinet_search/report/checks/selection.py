"""Selection: whether selecting an ensemble's members gains on users that it did not see."""

from hinet_search.report import numbers
from hinet_search.report.checks import Finding, passed, warning
from hinet_search.results.study_record import StudyRecord

ORDER = 144


def check(record: StudyRecord) -> Finding | None:
    """Warn of a selection that gains on the rows that chose it, but not when cross-fitted."""
    vanishing = []
    judged = []
    for ensemble in record.ensembles:
        gain = ensemble.gain
        if gain is None:
            continue
        name = ensemble.name.capitalize()
        cross_fitted = f"{numbers.gain(gain.estimate)} ({numbers.interval(gain.low, gain.high)})"
        unseen = "on users that it did not see"
        if ensemble.method != "selected":
            judged.append(f"{name}: the plain mean, as selecting is not shown to gain {unseen}.")
        elif gain.low > 0:
            judged.append(f"{name}: selecting members gains {cross_fitted} {unseen}.")
        else:
            in_sample = record.sign * (ensemble.valid_objective - gain.mean_value)
            on_chosen = f"{numbers.gain(in_sample)} on the rows that chose it"
            vanishing.append(f"{name}: {on_chosen}, {cross_fitted} on others.")
    if vanishing:
        return warning(
            "The gain of selecting members vanishes on users that the selection did not see.",
            vanishing,
            remedy="Take the plain mean or a single model, or launch the study again, which "
            "selects only where that is shown to gain.",
        )
    return passed(" ".join(judged)) if judged else None
