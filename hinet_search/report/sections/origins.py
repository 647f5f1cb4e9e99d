"""Origins: what each source of configurations reached, and where the best trials came from."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from hinet_search.report import html, numbers, record_facts
from hinet_search.report.sections import Card, NotApplicable
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
    origins = []
    sampler = f"Sampler ({record.sampler})"
    for arm in record_facts.ordered_arms(record):
        complete = record_facts.ranked(record, arm.trials)
        if arm.starts and complete:
            origins.append(_origins(arm, complete[0], sampler))
    if not origins:
        raise NotApplicable("needs a complete trial of an arm that has configurations to try first")
    lead = (
        f"Best {record_facts.objective_in_words(record)} on validation of the trials of each "
        "origin, with one seed. All but the sampler's come first, in this order."
    )
    explained = html.note(
        "A portfolio is a list of configurations that did well on other data. Configurations of "
        "another study are its best on validation, changed as the defaults differ. More trials "
        "find more by luck alone."
    )
    body = html.join([_table(record, origins, sampler), explained])
    in_words = {
        DEFAULT: "the default",
        NAMED: "what the study names",
        PORTFOLIO: "the portfolio",
        sampler: "the sampler",
    }
    parts = []
    for origin, count in Counter(arm.best_origin for arm in origins).most_common():
        words_of_origin = in_words.get(origin, f"{origin[0].lower()}{origin[1:]}")
        parts.append(f"{words_of_origin} in {numbers.plural(count, 'arm')}")
    heading = f"The best trials came from {', '.join(parts)}"
    return Card("origins", "Search", heading, lead, body, folded=True)


def _origins(arm: ArmRecord, best: TrialRecord, sampler: str) -> ArmOrigins:
    by_origin = defaultdict(list)
    for trial in arm.trials:
        if trial.counts and trial.state != "running":
            by_origin[_origin(arm, trial, sampler)].append(trial)
    start = arm.start_of(best)
    source = "" if start is None else f": {start.source}"
    origin = _origin(arm, best, sampler)
    return ArmOrigins(title(arm.name), by_origin, f"trial {best.number}{source}", origin)


def _origin(arm: ArmRecord, trial: TrialRecord, sampler: str) -> str:
    if trial.is_default:
        return DEFAULT
    start = arm.start_of(trial)
    if start is None:
        return sampler
    if start.study:
        return f"Study {start.study}"
    return PORTFOLIO if start.is_of_portfolio else NAMED


def _table(record: StudyRecord, origins: Sequence[ArmOrigins], sampler: str) -> Markup:
    seen: dict[str, None] = {}
    for arm in origins:
        seen |= dict.fromkeys(arm.trials)
    studies = [name for name in seen if name not in (DEFAULT, NAMED, PORTFOLIO, sampler)]
    in_order = [name for name in (DEFAULT, NAMED, *studies, PORTFOLIO, sampler) if name in seen]
    rows = []
    for arm in origins:
        values = []
        for name in in_order:
            trials = arm.trials.get(name, ())
            complete = record_facts.ranked(record, trials)
            best = numbers.metric(complete[0].value if complete else None)
            values.append(f"{best} of {len(trials)}" if trials else numbers.DASH)
        rows.append(html.row(arm.name, html.cells(values), html.words(arm.best)))
    header = html.head("Arm", html.columns(in_order), html.column("Best trial"))
    return html.table("Origins", header, rows)
