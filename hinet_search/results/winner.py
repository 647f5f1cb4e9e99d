"""Winner: recommend one model and say why, by rules: an arm, or a student where there are any.

The best model (best_model.py) is taken, or a cheaper one whose loss is shown to be below the
study's margin. No significant difference between two models is no such evidence: there may just be
too few seeds. The loss counts from the best model and from the best arm, which is another one if a
student took its place: the losses of two steps would add up. Of the models that cost nearly as
little as the cheapest, the best on validation is taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hinet_search.results.best_model import Best, best_model, gain_of, percent
from hinet_search.results.contrasts import arm_values
from hinet_search.results.finalist_values import best_on_validation, mean_of
from hinet_search.results.objectives import objective_named
from hinet_search.results.records import ArmRecord
from hinet_search.results.statistics.paired_difference import magnitude, seeds_to_show
from hinet_search.results.statistics.simultaneous import LEVEL
from hinet_search.results.statistics.welch import Estimate
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import Verdict, in_words, title

NOTHING_TESTED = "no finalist is opened on test yet"


@dataclass(frozen=True)
class CheaperModel:
    """A model that costs less than the best one, with its gains over the best and the best arm.

    With 95 % confidence all cheaper models gain at least their `least` (a loss is a negative gain).
    `level` is the level of a single model.
    """

    model: ArmRecord
    share: float  # of the best model's cost
    gains: tuple[Estimate, ...]
    level: float

    @property
    def smallest(self) -> Estimate:
        """The gain whose one-sided interval reaches lowest."""
        return min(self.gains, key=lambda gain: gain.interval(2 * self.level)[0])

    @property
    def least(self) -> float:
        """The lower end of the one-sided interval of the smallest gain."""
        return self.smallest.interval(2 * self.level)[0]

    @property
    def is_worse(self) -> bool:
        """Whether test shows it to be worse, by however little."""
        return any(gain.mean < 0 and gain.p < self.level for gain in self.gains)

    def is_within(self, margin: float) -> bool:
        """Whether it is shown to lose less than the margin, and not shown to be worse."""
        return self.least > -margin and not self.is_worse

    def seeds_needed(self, margin: float) -> int | None:
        """Return the seeds that would show a loss below the margin if there is no loss.

        None if the users' error alone hides it.
        """
        gain = self.smallest
        return seeds_to_show(margin, gain.deviation, gain.user_error or 0.0, 2 * self.level)


def single_model(record: StudyRecord, outcome: Verdict) -> tuple[ArmRecord | None, str]:
    """Return the model to take and the reason; None while no finalist is opened on test."""
    best = best_model(record, outcome)
    if best is None:
        return None, NOTHING_TESTED
    if not outcome.contrasts and not record.students:
        return best.model, best.why
    # In units of the headline, whose value on test is the best one's.
    reached = mean_of(arm_values(record, best.model).values) or 0.0
    margin = objective_named(record.objective).margin_at(record.budget.margin, reached)
    cheaper = cheaper_than(record, outcome, best)
    within = {each.model.name: each for each in cheaper if each.is_within(margin)}
    if within:
        # Of those that cost nearly the least, the best on validation.
        cheapest = min(within.values(), key=lambda each: each.share).model
        models = [each.model for each in within.values()]
        alike = [model for model in models if not best.costs.is_cheaper(cheapest, than=model)]
        taken = best_on_validation(record, alike) or cheapest
        return taken, _within_margin_in_words(within[taken.name], best, margin)
    remarks = f"{_ahead_on_test(record, best, margin)}{_not_shown(cheaper, best, margin)}"
    return best.model, f"{best.why}{remarks}"


def cheaper_than(record: StudyRecord, outcome: Verdict, best: Best) -> tuple[CheaperModel, ...]:
    """Return the models that may take the best one's place and cost less, each with its gains.

    Models whose difference cannot be a claim are left out, and arms of a study without a verdict.
    The level is that of all opened models that cost less.
    """
    costs = best.costs
    others = [each for each in best.opened if costs.is_cheaper(each, than=best.model)]
    standing = {each.name for each in best.standing if each.student_of or outcome.contrasts}
    candidates = []
    for model in others:
        references = [each for each in best.references if each.name != model.name]
        gains = [gain_of(record, model, reference) for reference in references]
        known = tuple(gain for gain in gains if gain is not None)
        share = costs.share(model, best.model)
        if model.name in standing and len(known) == len(gains) and share is not None:
            candidates.append(CheaperModel(model, share, known, LEVEL / len(others)))
    return tuple(candidates)


def _within_margin_in_words(taken: CheaperModel, best: Best, margin: float) -> str:
    """Say why the cheaper model is taken instead of the best one."""
    over = [title(each.name) for each in best.references if each.name != taken.model.name]
    against = f" against {in_words(over)}" if len(over) > 1 else ""
    loss = f"nothing{against}"
    if taken.least < 0:
        size = magnitude(taken.least)
        loss = f"at most {size}{against}, less than the margin of {_margin(margin)}"
    return (
        f"it {_needs(taken, best)} the {best.costs.measure} of {title(best.model.name)} "
        f"({best.why}) and is shown to lose {loss}"
    )


def _needs(cheaper: CheaperModel, best: Best) -> str:
    verb = "takes" if best.costs.is_of_time else "needs"
    return f"{verb} {percent(cheaper.share)} of"


def _not_shown(cheaper: Sequence[CheaperModel], best: Best, margin: float) -> str:
    """Name the cheaper model that is closest to the margin, and say what is missing."""
    in_question = [each for each in cheaper if not each.is_worse or each.least > -margin]
    if not in_question:
        return ""
    nearest = max(in_question, key=lambda candidate: candidate.least)
    text = f"; {title(nearest.model.name)} {_needs(nearest, best)} its {best.costs.measure}, but "
    if nearest.least > -margin:
        return f"{text}is shown to be worse on test"
    needed = nearest.seeds_needed(margin)
    if nearest.smallest.mean < -margin:
        more = f" (its mean is {magnitude(nearest.smallest.mean)} lower)"
    elif needed is None:
        more = ": no number of seeds would show less, as the users alone differ by more"
    else:
        more = f": about {needed:,} seeds of each arm would decide"
    return (
        f"{text}may lose up to {magnitude(nearest.least)}, "
        f"more than the margin of {_margin(margin)}{more}"
    )


def _ahead_on_test(record: StudyRecord, best: Best, margin: float) -> str:
    """Name the model that is ahead on test by more than the margin, if any.

    It is not shown to be better.
    """
    furthest = (margin, "")
    for other in best.standing:
        gain = gain_of(record, other, best.model)
        if gain is not None and gain.mean > margin and other.name != best.model.name:
            furthest = max(furthest, (gain.mean, other.name))
    mean, name = furthest
    if not name:
        return ""
    return f"; {title(name)} is {magnitude(mean)} ahead of it on test, which chance allows"


def _margin(margin: float) -> str:
    return f"{margin:.3g}".lstrip("0") or "0"
