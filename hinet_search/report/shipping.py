"""Shipping in words: what to take and why, the serving limits, and what students stand on."""

from collections.abc import Iterator

from hinet_search.report import numbers
from hinet_search.report.amounts import wording
from hinet_search.report.record_facts import capitalized
from hinet_search.results.calibration_records import Calibration
from hinet_search.results.data_record import DataRecord
from hinet_search.results.decision import decision
from hinet_search.results.ensemble_records import ENSEMBLE, TEACHER, EnsembleRecord
from hinet_search.results.finalist_values import chosen
from hinet_search.results.opened_models import Decision
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import in_words, title, verdict


def calibration_of_shipped(record: StudyRecord) -> tuple[str, Calibration | None]:
    """Return what is shipped with its calibration: of its best seed, or of the ensemble."""
    taken = decision(record, verdict(record)).taken
    if taken is None:
        return "", None
    ensemble = record.ensemble(ENSEMBLE)
    if taken.kind == "ensemble" and ensemble is not None:
        return taken.name, ensemble.calibration
    finalist = chosen(next(arm for arm in record.arms_and_students if arm.name == taken.name))
    summary = finalist.summary if finalist else None
    return taken.name, summary.calibration if summary else None


def has_more_than_arms(record: StudyRecord) -> bool:
    """Whether a study has students, an ensemble or serving limits, or refits what it ships."""
    has_ensemble = record.ensemble(ENSEMBLE) is not None
    budget = record.budget
    return bool(record.students) or has_ensemble or budget.serving.are_set or budget.refit


def lead(record: StudyRecord, shipped: Decision) -> str:
    """Say what to take and why, within which limits; `backticks` mark code."""
    why = shipped.why
    if shipped.taken is not None:
        why = f"{title(shipped.taken.name)}: {why}"
    sentences = [f"{capitalized(why)}.", limits_in_words(record), *on_top_of_arms(record)]
    return " ".join(sentence for sentence in sentences if sentence)


def on_top_of_arms(record: StudyRecord) -> Iterator[str]:
    """Say what is no part of the comparison of arms."""
    on = "the finalists of all arms, outside their equal budgets; arms are compared without"
    has_ensemble = record.ensemble(ENSEMBLE) is not None
    if record.students:
        yield f"Students {'and the ensemble ' * has_ensemble}stand on {on} them."
    elif has_ensemble:
        yield f"The ensemble stands on {on} it."


def limits_in_words(record: StudyRecord) -> str:
    """State the serving limits, and what an ensemble is without any; empty without both."""
    limits = record.budget.serving
    parts = []
    if limits.max_ms_per_100_rows is not None:
        parts.append(f"{numbers.milliseconds(limits.max_ms_per_100_rows)} for 100 rows")
    if limits.max_flops_per_row is not None:
        parts.append(f"{numbers.compact(limits.max_flops_per_row)} FLOPs per row")
    if parts:
        return f"Serving limits: at most {' and '.join(parts)}."
    if record.ensemble(ENSEMBLE) is None:
        return ""
    return (
        "Without serving limits (`serving:`) only single models are taken, as an ensemble costs as "
        "much as all of its members."
    )


def remarks(record: StudyRecord, shipped: Decision) -> Iterator[str]:
    """Yield sentences on the refit, students, ensemble, teacher and trees."""
    yield from on_top_of_arms(record)
    if record.budget.refit:
        yield (
            "What is shipped is trained once more on train and validation together, when the study "
            "is done. Every metric here, test included, is of the model before."
        )
    ensemble = record.ensemble(ENSEMBLE)
    teacher = record.ensemble(TEACHER)
    if ensemble is not None:
        yield f"The ensemble {_averages(record.data, ensemble)}"
    if teacher is not None:
        yield f"The students' teacher {_averages(record.data, teacher)}"
    yield from _of_trees(record, shipped)


def _of_trees(record: StudyRecord, shipped: Decision) -> Iterator[str]:
    singles = [offer for offer in shipped.offers if offer.kind != "ensemble"]
    best = max(singles, key=lambda offer: record.sign * offer.valid, default=None)
    if best is not None and not best.flops_per_row:
        yield (
            f"{title(best.name)} is the best single model on validation. It is no network: it can "
            "teach and be a member of an ensemble, but cannot be a student, and has no FLOPs."
        )
    others = [offer for offer in shipped.offers if offer is not best]
    without = [title(offer.name) for offer in others if not offer.flops_per_row]
    if without and record.budget.serving.max_flops_per_row is not None:
        yield f"FLOPs of {in_words(without)} are not counted, so the limit of FLOPs does not bind."


def _averages(data: DataRecord, ensemble: EnsembleRecord) -> str:
    """Say what an ensemble averages, and whether selecting its members gains anything."""
    count = len(ensemble.members)
    pool = len(ensemble.pool)
    runs = f"all {pool} finalist runs" if count == pool else f"{count} of {pool} finalist runs"
    what = f"averages the {wording(data).scale(ensemble.scale)} of {runs}"
    gain = ensemble.gain
    if gain is None:
        return f"{what}."
    gained = (
        f"{numbers.gain(gain.estimate)} (95 % interval {numbers.interval(gain.low, gain.high)})"
    )
    if ensemble.method == "selected":
        return (
            f"{what}, selected on validation. On users that the selection did not see, it gains "
            f"{gained} over the plain mean; the value above is also of such users."
        )
    return (
        f"{what}, with equal weights. Selecting among them gains {gained} over this plain "
        "mean on users that the selection did not see, which is not shown to be a gain."
    )
