"""Origins: what each source of configurations reached, and where the best trials came from."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from hinet_search.report.card import Card, NotApplicable
from hinet_search.report.drawing import numbers
from hinet_search.report.drawing.html import (
    column,
    details,
    head,
    join,
    note,
    number,
    row,
    scroll,
    table,
    words,
)
from hinet_search.report.facts import record as record_facts
from hinet_search.results.origins import Origins
from hinet_search.results.records import ArmRecord, TrialRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 58
DEFAULT = "Default"
NAMED = "Named by the study"
PORTFOLIO = "Portfolio"


@dataclass(frozen=True)
class ArmOrigins:
    """The trials of an arm by their origin, and the best one with its origin in words."""

    name: str
    trials: Mapping[str, Sequence[TrialRecord]]
    best: str
    best_origin: str


def build(record: StudyRecord) -> Card:
    """Build a table of arms and origins, with the best value of each."""
    arms = [
        arm for arm in record_facts.ordered_arms(record) if arm.starts and _complete(arm.trials)
    ]
    if not arms:
        raise NotApplicable("needs a complete trial of an arm that has configurations to try first")
    sampler = f"Sampler ({record.sampler})"
    origins = [_origins(record, arm, sampler) for arm in arms]
    lead = (
        f"Best {record_facts.objective_in_words(record)} on validation of the trials of each "
        "origin, with one seed. All but the sampler's come first, in this order."
    )
    explained = note(
        "A portfolio is a list of configurations that did well on other data. Configurations of "
        "another study are its best on validation, changed as the defaults differ. More trials "
        "find more by luck alone."
    )
    content = join([scroll("Origins", _table(record, origins, sampler)), explained])
    body = details("What each origin reached, by arm", content)
    return Card("origins", "Search", _heading(origins, sampler), lead, body, half=True)


def _origins(record: StudyRecord, arm: ArmRecord, sampler: str) -> ArmOrigins:
    of_arm = Origins(arm)
    by_origin = defaultdict(list)
    for trial in arm.trials:
        if trial.counts and trial.state != "running":
            by_origin[_origin(of_arm, trial, sampler)].append(trial)
    best = _best(record, arm.trials)
    start = None if best is None else of_arm.start_of(best)
    source = "" if start is None else f": {start.source}"
    number_of_best = "" if best is None else f"trial {best.number}{source}"
    origin = "" if best is None else _origin(of_arm, best, sampler)
    return ArmOrigins(title(arm.name), by_origin, number_of_best, origin)


def _origin(origins: Origins, trial: TrialRecord, sampler: str) -> str:
    if trial.is_default:
        return DEFAULT
    start = origins.start_of(trial)
    if start is None:
        return sampler
    if start.study:
        return f"Study {start.study}"
    return PORTFOLIO if start.is_of_portfolio else NAMED


def _complete(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    return [trial for trial in trials if trial.state == "complete" and trial.value is not None]


def _best(record: StudyRecord, trials: Sequence[TrialRecord]) -> TrialRecord | None:
    sign = 1.0 if record.maximize else -1.0
    ranked = [(sign * (trial.value or 0.0), -trial.number, trial) for trial in _complete(trials)]
    return max(ranked, key=lambda each: each[:2])[2] if ranked else None


def _heading(origins: Sequence[ArmOrigins], sampler: str) -> str:
    counts = Counter(arm.best_origin for arm in origins).most_common()
    parts = [
        f"{_in_words(origin, sampler)} in {numbers.plural(count, 'arm')}"
        for origin, count in counts
    ]
    return f"The best trials came from {', '.join(parts)}"


def _in_words(origin: str, sampler: str) -> str:
    known = {
        DEFAULT: "the default",
        NAMED: "what the study names",
        PORTFOLIO: "the portfolio",
        sampler: "the sampler",
    }
    return known.get(origin, f"{origin[0].lower()}{origin[1:]}")


def _table(record: StudyRecord, origins: Sequence[ArmOrigins], sampler: str) -> Markup:
    seen = dict.fromkeys(origin for arm in origins for origin in arm.trials)
    first = (DEFAULT, NAMED)
    last = (PORTFOLIO, sampler)
    studies = [origin for origin in seen if origin not in (*first, *last)]
    columns = [origin for origin in (*first, *studies, *last) if origin in seen]
    rows = [
        row(
            arm.name,
            *(_cell(record, arm.trials.get(origin, ())) for origin in columns),
            words(arm.best),
        )
        for arm in origins
    ]
    return table(head("Arm", *columns, column("Best trial")), rows)


def _cell(record: StudyRecord, trials: Sequence[TrialRecord]) -> Markup:
    """Return the best value of trials and their number."""
    if not trials:
        return number(numbers.DASH)
    best = _best(record, trials)
    value = numbers.metric(best.value if best else None)
    return number(f"{value} of {len(trials)}")
