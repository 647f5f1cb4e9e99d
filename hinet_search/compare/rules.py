"""The verdict of a study by rules, never free text, and no word that claims a cause.

Which arms meet (`focus`, `rival`) is decided on validation; what came out is read on test.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from hinet_search.compare.cells import CellDifference, cell_gains
from hinet_search.compare.contrasts import Contrast, claims, contrasts
from hinet_search.compare.finalists import best_on_validation, chosen, compared, headline_by_seed, pair_of
from hinet_search.compare.gains import Difference, Mark
from hinet_search.records import ArmRecord, FinalistRecord, StudyRecord

SEEDS_FOR_A_CLAIM = 5
NAMED = 3  # more arms than these are counted, not named
EQUAL_BUDGETS = 0.8  # an arm with fewer than this share of the largest arm's trials is not comparable

Status = Literal["undecided", "incomparable", "observation", "unclear", "better", "worse"]
_WRITTEN = {
    "hinet": "HiNet",
    "mmoe": "MMoE",
    "ple": "PLE",
    "hmoe": "HMoE",
    "star": "STAR",
    "single": "Single",
    "shared_bottom": "Shared Bottom",
    "flat_moe": "Flat MoE",
    "trees": "Trees",
}


@dataclass(frozen=True)
class Verdict:
    """The outcome by rules. Names are of arms; what is not known yet is None."""

    status: Status  # of the focus against the rival
    sentence: str  # of the focus against all
    best: str | None = None  # on validation
    focus: str | None = None  # whose question the study is: see pair_of
    rival: str | None = None  # the best of the others on validation
    difference: Difference | None = None  # focus against rival, headline on test
    cells: tuple[CellDifference, ...] = ()  # focus against rival
    contrasts: tuple[Contrast, ...] = ()  # focus against every other arm

    def count(self, mark: Mark) -> int:
        """Number of cells with that mark."""
        return sum(cell.difference is not None and cell.difference.mark == mark for cell in self.cells)


def title(name: str) -> str:
    """An arm's name as it is shown: a known model's as the field writes it (`flat_moe` is Flat MoE), any other as given."""
    return _WRITTEN.get(name, name)


def trials_done(arm: ArmRecord) -> int:
    """Trials that spent budget and ended, however they ended."""
    return sum(trial.counts and trial.state != "running" for trial in arm.trials)


def verdict(record: StudyRecord) -> Verdict:
    """The verdict of a study; it never fails, what is missing makes it undecided.

    In a study that is done, an arm without a finalist leaves the others to be compared, and is named.
    """
    arms = compared(record)
    absent = [title(arm.name) for arm in record.arms if arm not in arms]
    if not absent or len(arms) < 2:
        return _of_all(record)
    outcome = _of_all(replace(record, arms=arms))
    return replace(outcome, sentence=f"{outcome.sentence} Left out, without a finalist: {in_words(absent)}.")


def _of_all(record: StudyRecord) -> Verdict:
    best, (focus, rival) = best_on_validation(record, record.arms), pair_of(record)
    open_question = Verdict(
        "undecided",
        _blocker(record),
        best=best.name if best else None,
        focus=focus.name if focus else None,
        rival=rival.name if rival else None,
    )
    if open_question.sentence:
        return open_question
    if unequal := _unequal(record):
        return replace(open_question, status="incomparable", sentence=unequal)
    assert focus is not None, "a study without blockers has two arms with finalists"
    assert rival is not None, "a study without blockers has two arms with finalists"
    return _decided(record, focus, rival, open_question)


def _decided(record: StudyRecord, focus: ArmRecord, rival: ArmRecord, open_question: Verdict) -> Verdict:
    ours, theirs = (headline_by_seed(record, one, "test") if (one := chosen(arm)) else {} for arm in (focus, rival))
    if not ours.keys() & theirs.keys():
        sentence = f"Not comparable: {title(focus.name)} and {title(rival.name)} share no seed with a test value."
        return replace(open_question, status="incomparable", sentence=sentence)
    found = contrasts(record)
    difference = next(one.difference for one in found if one.arm == rival.name)
    assert difference is not None, "two arms with a common seed have values"
    status: Status = "observation" if difference.pairs < SEEDS_FOR_A_CLAIM else difference.mark
    cells = cell_gains(record, focus, rival)
    outcome = replace(open_question, status=status, difference=difference, cells=cells, contrasts=found)
    return replace(outcome, sentence=_sentence(outcome, difference))


def _blocker(record: StudyRecord) -> str:
    """Why nothing can be decided yet, or an empty string."""
    if len(record.arms) < 2:
        return (
            "Nothing to compare: the study has one arm." if record.arms else "Nothing to compare: no arm has run yet."
        )
    done, planned = sum(trials_done(arm) for arm in record.arms), record.budget.trials * len(record.arms)
    if record.state != "done" and done < planned:
        return f"Not decided yet: {done} of {planned} trial{'s' if planned > 1 else ''}."
    if waiting := [arm for arm in record.arms if chosen(arm) is None]:
        missing = "no finalist is chosen" if any(arm.finalists for arm in waiting) else "no finalists"
        return f"Not decided yet: {missing}{_of([title(arm.name) for arm in waiting], record)}."
    closed = [title(arm.name) for arm in record.arms if (one := chosen(arm)) and not _opened(one)]
    return f"Not decided yet: test is not opened{_of(closed, record)}." if closed else ""


def _of(names: Sequence[str], record: StudyRecord) -> str:
    """The arms by name, unless it is all of them."""
    return "" if len(names) == len(record.arms) else f" for {in_words(names)}"


def _opened(finalist: FinalistRecord) -> bool:
    return any(run.test_cells is not None for run in finalist.runs)


def _unequal(record: StudyRecord) -> str:
    """Which arm had too small a share of the trials, or an empty string."""
    counts = [(trials_done(arm), title(arm.name)) for arm in record.arms]
    most, (fewest, name) = max(counts)[0], min(counts)
    return f"Not comparable: {name} had {fewest} of {most} trials." if fewest < EQUAL_BUDGETS * most else ""


def _sentence(outcome: Verdict, difference: Difference) -> str:
    focus, rival = title(outcome.focus or ""), title(outcome.rival or "")
    size = _size(difference)
    if outcome.status == "observation":
        return _observation(difference, focus, rival, size)
    ahead = [one for one in claims(outcome.contrasts, "worse") if one.arm != outcome.rival]
    if outcome.status == "unclear":
        chance = next(one.chance for one in outcome.contrasts if one.arm == outcome.rival)
        behind = in_words([title(one.arm) for one in claims(outcome.contrasts, "better")])
        beaten = f" {focus} is better than {behind}." if behind else ""
        return (
            f"No clear winner: {focus} and {rival} differ by less than {chance} do.{beaten}{_also_ahead(focus, ahead)}"
        )
    if outcome.status == "worse":
        is_first = all(
            one.difference.mean >= difference.mean for one in outcome.contrasts if one.difference is not None
        )
        lost = f"{rival} wins. {focus} is worse by {size}." if is_first else f"{focus} is worse than {rival} by {size}."
        return f"{lost}{_also_ahead(focus, ahead)}"
    if ahead:
        return f"{focus} is better than {rival} by {size}, but does not win.{_also_ahead(focus, ahead)}"
    if alike := [one.arm for one in outcome.contrasts if one.mark == "unclear"]:
        better = in_words([title(one.arm) for one in claims(outcome.contrasts, "better")])
        others = in_words([title(name) for name in alike]) if len(alike) <= NAMED else f"{len(alike)} other arms"
        return f"No clear winner: {focus} is better than {better}, but not told apart from {others}."
    return _won(outcome, focus, rival, size)


def _won(outcome: Verdict, focus: str, rival: str, size: str) -> str:
    better, worse, decided = outcome.count("better"), outcome.count("worse"), len(outcome.cells)
    if not better and not worse:
        return f"{focus} wins over {rival} by {size}, though no single cell is decided."
    if not worse:
        return f"{focus} wins in every cell that could be decided, {better} of {decided}."
    return f"{focus} wins. It is better in {better} of {decided} cells and worse in {worse}."


def _also_ahead(focus: str, ahead: Sequence[Contrast]) -> str:
    """Whoever else is better than the focus, though not the strongest on validation."""
    named = [f"{title(one.arm)} by {_size(one.difference)}" for one in ahead if one.difference is not None]
    return f" Ahead of {focus} on test: {in_words(named)}." if named else ""


def _size(difference: Difference) -> str:
    return f"{abs(difference.mean):.4f}".lstrip("0")


def _observation(difference: Difference, focus: str, rival: str, size: str) -> str:
    """With few seeds nothing is claimed, whatever the interval says."""
    seeds = f"{difference.pairs} seed{'s' if difference.pairs > 1 else ''}"
    if difference.low is not None and difference.mark == "unclear":
        return f"No clear winner between {focus} and {rival}: an observation with {seeds}, not a claim."
    side = "ahead of" if difference.mean > 0 else "behind"
    return f"{focus} is {side} {rival} by {size}: an observation with {seeds}, not a claim."


def in_words(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
