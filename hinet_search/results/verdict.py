"""Verdict of a study: a sentence built by rules, without free text or claims about causes.

Validation decides which arms are compared (`focus`, `rival`); test decides the outcome. An arm is
the configuration that one search found: the sentence is about *this* HiNet, not about HiNet.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from hinet_search.common.amounts import counted
from hinet_search.results.cell_gains import CellDifference, cell_gains
from hinet_search.results.contrasts import Contrast, claims, contrasts
from hinet_search.results.finalist_values import (
    best_on_validation,
    chosen,
    compared,
    headline_by_seed,
    is_tested,
    pair_of,
)
from hinet_search.results.records import DISTILLED, ArmRecord
from hinet_search.results.statistics.paired_difference import Difference, Mark, magnitude
from hinet_search.results.statistics.welch import SEEDS_FOR_A_CLAIM
from hinet_search.results.study_record import StudyRecord

NAMED = 3  # more arms than these are counted, not named
# An arm with fewer than this share of the largest arm's trials is not comparable.
EQUAL_BUDGETS = 0.8

Status = Literal["undecided", "incomparable", "observation", "unclear", "better", "worse"]
_WRITTEN = {
    "hinet": "HiNet",
    "mmoe": "MMoE",
    "ple": "PLE",
    "hmoe": "HMoE",
    "star": "STAR",
    "pepnet": "PEPNet",
    "m2m": "M2M",
    "single": "Single",
    "shared_bottom": "Shared Bottom",
    "flat_moe": "Flat MoE",
    "m3oe": "M3oE",
    "hamur": "HAMUR",
    "adasparse": "AdaSparse",
    "dcn_v2": "DCN-V2",
    "final_mlp": "FinalMLP",
    "trees": "Trees",
    "ensemble": "Ensemble",
}


@dataclass(frozen=True)
class Verdict:
    """The outcome by rules, with the names of arms; what is unknown yet is None."""

    status: Status  # of the focus against the rival
    sentence: str  # of the focus against all
    best: str | None = None  # on validation
    focus: str | None = None  # the arm that the verdict is about: see pair_of
    rival: str | None = None  # the best other arm on validation
    difference: Difference | None = None  # focus against rival, headline on test
    cells: tuple[CellDifference, ...] = ()  # focus against rival
    contrasts: tuple[Contrast, ...] = ()  # focus against every other arm

    def count(self, mark: Mark) -> int:
        """Count the cells with that mark."""
        return sum(
            cell.difference is not None and cell.difference.mark == mark for cell in self.cells
        )

    @property
    def has_few_seeds(self) -> bool:
        """Whether the focus or its rival has fewer seeds than a claim needs."""
        if self.status != "observation":
            return False
        rival = next(contrast for contrast in self.contrasts if contrast.arm == self.rival)
        return min(rival.seeds) < SEEDS_FOR_A_CLAIM


def title(name: str) -> str:
    """Return an arm's display name: `flat_moe` is Flat MoE; unknown names stay as given."""
    for prefix in (DISTILLED, "taught_"):  # the latter in studies of before 1.0
        if name.startswith(prefix):
            return f"Distilled {title(name.removeprefix(prefix))}"
    return _WRITTEN.get(name, name)


def verdict(record: StudyRecord) -> Verdict:
    """Return the verdict of a study; missing results make it undecided, never an error.

    Once a study is done, a failed arm does not block the comparison of the others: it is left out
    and named.
    """
    arms = _comparable(record)
    if len(arms) < 2:
        return _judge(record)
    outcome = _judge(replace(record, arms=arms))
    return replace(outcome, sentence=f"{outcome.sentence}{_left_out(record, arms)}")


def _comparable(record: StudyRecord) -> tuple[ArmRecord, ...]:
    """Return the arms to compare.

    Once a study is done, arms short of trials are left out, unless the focus is one of them.
    """
    arms = compared(record)
    focus = pair_of(record)[0]
    short = _short_of_trials(arms)
    enough = tuple(arm for arm in arms if arm.name not in short)
    if record.state != "done" or focus is None or focus.name in short or len(enough) < 2:
        return arms
    return enough


def _left_out(record: StudyRecord, arms: Sequence[ArmRecord]) -> str:
    """Name the arms that are not in `arms`, with the reason."""
    short = _short_of_trials(compared(record))
    by_reason = defaultdict(list)
    for arm in record.arms:
        if arm in arms:
            continue
        reason = short.get(arm.name, "not opened on test")
        if {trial.state for trial in arm.trials if trial.counts} == {"failed"}:
            reason = "all trials failed"
        elif chosen(arm) is None:
            reason = "no finalist"
        by_reason[reason].append(arm.name)
    named = [f"{titles(names)} ({reason})" for reason, names in by_reason.items()]
    return f" Left out: {', '.join(named)}." if named else ""


def _judge(record: StudyRecord) -> Verdict:
    best = best_on_validation(record, record.arms)
    focus, rival = pair_of(record)
    open_question = Verdict(
        "undecided",
        _blocker(record),
        best=best.name if best else None,
        focus=focus.name if focus else None,
        rival=rival.name if rival else None,
    )
    if open_question.sentence:
        return open_question
    assert focus and rival, "a study without blockers has two arms with finalists"  # noqa: PT018
    incomparable = _incomparable(record, focus, rival)
    if incomparable:
        return replace(open_question, status="incomparable", sentence=incomparable)
    all_contrasts = contrasts(record)
    difference = next(each.difference for each in all_contrasts if each.arm == rival.name)
    assert difference is not None, "two arms with a common seed have values"
    outcome = replace(
        open_question,
        status=difference.mark,
        difference=difference,
        cells=cell_gains(record, focus, rival),
        contrasts=all_contrasts,
    )
    return replace(outcome, sentence=_sentence(outcome, difference))


def _blocker(record: StudyRecord) -> str:
    """Say why nothing can be decided yet; empty if something can."""
    if not record.arms:
        return "Nothing to compare: no arm has run yet."
    if len(record.arms) < 2:
        return "Nothing to compare: the study has one arm."
    done = sum(arm.trials_done for arm in record.arms)
    planned = sum(map(record.budget_of, record.arms))
    if record.state != "done" and done < planned:
        return f"Not decided yet: {done} of {planned} trial{'s' if planned > 1 else ''}."
    missing = "no finalists"
    waiting = [arm for arm in record.arms if chosen(arm) is None]
    if any(arm.finalists for arm in waiting):
        missing = "no finalist is chosen"
    if not waiting:
        missing = "test is not opened"
        waiting = [arm for arm in record.arms if not is_tested(arm)]
    if len(waiting) < len(record.arms):
        missing += f" for {titles(arm.name for arm in waiting)}"
    return f"Not decided yet: {missing}." if waiting else ""


def _incomparable(record: StudyRecord, focus: ArmRecord, rival: ArmRecord) -> str:
    """Say why the arms cannot be compared, by trials or seeds; empty if they can."""
    short = _short_of_trials(record.arms)
    if short:
        arms = [arm for arm in record.arms if arm.name in short]
        fewest = min(arms, key=lambda arm: (arm.trials_done, title(arm.name)))
        return f"Not comparable: {title(fewest.name)} had {short[fewest.name]}."
    ours = headline_by_seed(record, chosen(focus), "test")
    if ours.keys() & headline_by_seed(record, chosen(rival), "test").keys():
        return ""
    return f"Not comparable: {titles([focus.name, rival.name])} share no seed with a test value."


def _short_of_trials(arms: Sequence[ArmRecord]) -> dict[str, str]:
    """Map each arm with too few trials to a text like "20 of 60 trials".

    An arm whose finite space was searched completely is not short of trials.
    """
    most = max((arm.trials_done for arm in arms), default=0)
    return {
        arm.name: f"{arm.trials_done} of {most} trials"
        for arm in arms
        if arm.trials_done < EQUAL_BUDGETS * most and not arm.is_searched_whole
    }


def _sentence(outcome: Verdict, difference: Difference) -> str:
    focus = title(outcome.focus or "")
    worse = claims(outcome.contrasts, "worse")
    others = [(each.arm, each.mean or 0.0) for each in worse if each.arm != outcome.rival]
    ahead = [f"{title(arm)} by {magnitude(mean)}" for arm, mean in others]
    remarks = f" Ahead of {focus} on test: {in_words(ahead)}." if ahead else ""
    unclaimed = defaultdict(list)  # other arms, by a reason that the sentence does not have
    for each in outcome.contrasts:
        if each.mark == "observation" and each.lacks != difference.lacks:
            unclaimed[each.lacks].append(each.arm)
    for lacks, names in unclaimed.items():
        remarks += f" No claim about {titles(names)} ({lacks})."
    if outcome.status == "better":
        return f"{_better(outcome, difference, is_behind=bool(ahead))}{remarks}"
    if outcome.status == "worse":
        return f"{_worse(outcome, difference)}{remarks}"
    beaten = titles(each.arm for each in claims(outcome.contrasts, "better"))
    if beaten:
        remarks = f" This {focus} is better than {beaten}.{remarks}"
    rival = title(outcome.rival or "")
    if outcome.status == "observation":
        return f"{_observation(difference, focus, rival)}{remarks}"
    chance = next(each.chance for each in outcome.contrasts if each.arm == outcome.rival)
    both = f"this {focus} and {rival}"
    return f"No clear winner: no significant difference between {both} over {chance}.{remarks}"


def _worse(outcome: Verdict, difference: Difference) -> str:
    """Say that the focus is worse than its rival, which wins if no other arm is further ahead."""
    focus = title(outcome.focus or "")
    rival = title(outcome.rival or "")
    size = magnitude(difference.mean)
    known = [contrast.difference for contrast in outcome.contrasts if contrast.difference]
    if all(other.mean >= difference.mean for other in known):
        return f"This {rival} wins. This {focus} is worse by {size}."
    return f"This {focus} is worse than {rival} by {size}."


def _observation(difference: Difference, focus: str, rival: str) -> str:
    """Describe an observation: something is lacking, so nothing is claimed."""
    caveat = f"an observation, not a claim ({difference.lacks})."
    if difference.low is not None and difference.direction == "unclear":
        return f"No clear winner between this {focus} and {rival}: {caveat}"
    side = "ahead of" if difference.mean > 0 else "behind"
    return f"This {focus} is {side} {rival} by {magnitude(difference.mean)}: {caveat}"


def _better(outcome: Verdict, difference: Difference, *, is_behind: bool) -> str:
    """Say that the focus is better than its rival; it wins if it is better than every other arm.

    It `is_behind` if another arm is better.
    """
    focus = title(outcome.focus or "")
    over_rival = f"{title(outcome.rival or '')} by {magnitude(difference.mean)}"
    if is_behind:
        return f"This {focus} is better than {over_rival}, but does not win."
    beaten = titles(each.arm for each in claims(outcome.contrasts, "better"))
    unclear = [contrast.arm for contrast in outcome.contrasts if contrast.mark == "unclear"]
    if unclear:
        others = titles(unclear) if len(unclear) <= NAMED else f"{len(unclear)} other arms"
        return (
            f"No clear winner: this {focus} is better than {beaten}, "
            f"but not significantly different from {others}."
        )
    if any(contrast.mark == "observation" for contrast in outcome.contrasts):
        return f"This {focus} is better than {beaten}."
    better = outcome.count("better")
    worse = outcome.count("worse")
    if not better + worse:
        return f"This {focus} wins over {over_rival}, though no single cell is decided."
    cells = counted(len(outcome.cells), "cell")
    found = f"better than {title(outcome.rival or '')} in {better} of {cells}"
    return f"This {focus} wins. It is {found} and worse in {worse or 'none'}."


def titles(names: Iterable[str]) -> str:
    """Join the display names of arms: `HiNet`, `HiNet and PLE`."""
    return in_words([title(name) for name in names])


def in_words(names: Sequence[str]) -> str:
    """Join names: `a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
