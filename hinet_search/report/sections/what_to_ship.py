"""What to ship: the model to take, its value, time and gains, why it, and what to do next."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from markupsafe import Markup

from hinet_search.report.card import Card
from hinet_search.report.drawing import html, numbers
from hinet_search.report.drawing.figures import CLASSES
from hinet_search.report.facts import record as record_facts
from hinet_search.report.facts.gains_of_taken import Gain, over_baseline, over_own_arm
from hinet_search.report.facts.standings import on_validation
from hinet_search.report.text.advice import box, exceptions, remedy
from hinet_search.report.text.compared import in_words, progress
from hinet_search.report.text.shipping import limits_in_words
from hinet_search.results.finalist_values import chosen
from hinet_search.results.shipping import Offer, Shipment, shipment
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import Verdict, title, verdict

ORDER = 10

Box = tuple[str, str, str, str]  # name, number, remark, CSS class


def build(record: StudyRecord) -> Card:
    """Build the card that opens the report; it applies to every study."""
    outcome = verdict(record)
    shipped = shipment(record, outcome)
    heading, lead = _in_words(record, outcome, shipped)
    boxes = _counts(record)
    if shipped.taken is not None and (outcome.difference or len(record.arms) == 1):
        boxes = list(_numbers(record, outcome, shipped.taken))
    body = [_boxes(boxes), box(record, outcome, shipped), in_words(record)]
    return Card("what-to-ship", "Verdict", heading, lead, html.join(body))


def _in_words(record: StudyRecord, outcome: Verdict, shipped: Shipment) -> tuple[str, Markup]:
    """Return heading and lead: what to take and why, or what is missing."""
    if outcome.difference is None:
        return outcome.sentence, progress(record)
    why = f"Why: {shipped.why}."
    limits = limits_in_words(record)
    if shipped.taken is None:
        return "No model can be taken", html.prose(f"{why} {limits}".strip())
    name = title(shipped.taken.name)
    if outcome.status == "observation":
        said = f"{why} {remedy(outcome)}"
        return f"{name} is the candidate: an observation, not a claim", html.prose(said)
    said = f"{why}{exceptions(outcome, shipped.taken)} {limits}"
    return f"Take {name}", html.prose(said.strip())


def _boxes(rows: Sequence[Box]) -> Markup:
    boxes = []
    for name, value, remark, class_ in rows:
        described = html.tag("dd", value, html.tag("small", remark), class_=class_)
        boxes.append(html.tag("div", html.tag("dt", name), described))
    return html.tag("dl", html.join(boxes), class_="kpi")


def _counts(record: StudyRecord) -> list[Box]:
    done = sum(arm.trials_done for arm in record.arms)
    failed = sum(arm.num_failed for arm in record.arms)
    retrained = sum(len(finalist.runs) for arm in record.arms for finalist in arm.finalists)
    planned = numbers.compact(sum(map(record.budget_of, record.arms)))
    seeds = numbers.plural(record.budget.finalist_seeds, "seed")
    slots = numbers.plural(record.slots, "slot")
    failed_box = ("Failed trials", numbers.compact(failed), "no failures", "")
    if failed:
        failed_box = ("Failed trials", numbers.compact(failed), "causes below", "loss")
    return [
        ("Trials ended", numbers.compact(done), f"of {planned} planned", ""),
        failed_box,
        ("Finalist runs", numbers.compact(retrained), f"{seeds} per finalist planned", ""),
        ("Time so far", _time_so_far(record), f"{slots}, {record.state}", ""),
    ]


def _time_so_far(record: StudyRecord) -> str:
    """Return the time of all launches; of a later launch that runs, that of those before it.

    A launch adds its time when it ends; the first one began with the study.
    """
    if record.seconds:
        return numbers.duration(record.seconds)
    if record.state != "running" or not record.started:
        return numbers.DASH
    so_far = datetime.fromisoformat(record.updated) - datetime.fromisoformat(record.started)
    return numbers.duration(so_far.total_seconds())


def _numbers(record: StudyRecord, outcome: Verdict, taken: Offer) -> Iterator[Box]:
    """Yield the value on test, the time or FLOPs, and the gains over trees and the default."""
    model = next((arm for arm in record.arms_and_students if arm.name == taken.name), None)
    finalist = chosen(model)
    runs = f"mean of {taken.members} models"
    if finalist is not None:
        runs = numbers.plural(len(finalist.runs), "seed")
        runs = f"mean over {runs}" if len(finalist.runs) > 1 else runs
    measure = record_facts.capitalized(record_facts.headline_in_words(record))
    yield f"{measure} on test", numbers.metric(taken.test), runs, ""
    if taken.milliseconds is not None:
        device = f"one request, on {finalist.cost.device}" if finalist else "all of its models"
        yield "Time for 100 rows", numbers.milliseconds(taken.milliseconds), device, ""
    else:
        flops = numbers.compact(taken.flops_per_row or None)
        yield "FLOPs per row", flops, "the time to score was not measured", ""
    gain = over_baseline(record, outcome, taken)
    if gain is not None:
        yield _gain(gain)
    own = over_own_arm(record, taken)
    if own is not None:
        yield _gain(own)
    else:
        yield from _tuning(record, taken)


def _gain(gain: Gain) -> Box:
    """Return a gain on test with its interval; only a claim has a colour."""
    other, contrast = gain
    name = f"Gain over {title(other.name)} on test"
    difference = contrast.difference
    if difference is None or difference.low is None:
        class_ = "" if difference is None else CLASSES[difference.mark]
        return name, numbers.gain(contrast.mean), contrast.reason, class_
    remark = numbers.interval(difference.low, difference.high)
    if difference.lacks:
        remark += f", observation: {difference.lacks}"
    return name, numbers.gain(difference.mean), remark, CLASSES[difference.mark]


def _tuning(record: StudyRecord, taken: Offer) -> Iterator[Box]:
    """Yield what the search added to the default of an arm, on the rows that chose it."""
    valid = on_validation(record).get(taken.name)
    if valid is None or valid.default is None:
        return
    name = "Gain over its default on validation"
    if valid.kept_default:
        yield name, numbers.DASH, "the default was chosen", ""
    else:
        seeds = numbers.plural(valid.default.seeds, "seed")
        yield name, numbers.gain(valid.tuning), f"{seeds}; chosen on the same rows", ""
