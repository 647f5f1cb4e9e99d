"""Claims of shipping: how often what is said of what to ship, and of students, is wrong.

`python docs/results/claims_of_shipping.py` simulates studies whose truth is known, of arms and
students as claims.py makes them. Each goes through the product's own verdict, choice and words.
`tables(studies)` returns the tables, `asked()` what they ask.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from claims import Asked, World, answered
from claims_rows import Row, printed

from hinet_search.results.contrasts import claims, student_contrasts
from hinet_search.results.decision import decision
from hinet_search.results.finalist_values import arm_values
from hinet_search.results.opened_models import Decision
from hinet_search.results.records import DISTILLED, ArmRecord, FinalistRecord
from hinet_search.results.statistics.welch import claim
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import verdict

BEST = "hinet"  # the best arm of every world; its gain is 0
SHOWN = "shown to lose"  # said of a cheaper model that is taken


@dataclass(frozen=True)
class Model:
    """The truth of an arm or student: its gain on validation and test, spread over seeds, FLOPs."""

    name: str
    valid: float = 0.0
    test: float | None = None  # that of validation
    spread: float = 0.0015
    flops: int = 1000

    @property
    def gain(self) -> float:
        """The gain on test."""
        return self.valid if self.test is None else self.test


@dataclass(frozen=True)
class Shop:
    """The truth of a study with students; the students' names begin with `distilled_`."""

    models: tuple[Model, ...]
    users: float = 0.001

    def study(self, draw: np.random.Generator) -> StudyRecord:
        """Return one study of this world, as it would be stored."""
        world = World(
            users=self.users,
            spreads=tuple(model.spread for model in self.models),
            gains=tuple(model.valid for model in self.models),
            names=tuple(model.name for model in self.models),
        )
        record = world.study(draw)
        arms = [
            _with_truth(arm, model) for arm, model in zip(record.arms, self.models, strict=True)
        ]
        return replace(
            record,
            arms=tuple(arm for arm in arms if not arm.student_of),
            students=tuple(arm for arm in arms if arm.student_of),
        )

    def model(self, name: str) -> Model:
        """Return the truth of a model."""
        return next(model for model in self.models if model.name == name)


def _with_truth(arm: ArmRecord, model: Model) -> ArmRecord:
    finalists = tuple(_moved(finalist, model) for finalist in arm.finalists)
    own_arm = model.name.removeprefix(DISTILLED)
    student_of = f"{own_arm}/0" if own_arm != model.name else ""
    return replace(arm, finalists=finalists, student_of=student_of)


def _moved(finalist: FinalistRecord, model: Model) -> FinalistRecord:
    """Return the finalist with its FLOPs, and with its gain on test instead of validation's."""
    shift = model.gain - model.valid
    runs = tuple(
        replace(
            run,
            cost=replace(run.cost, flops_per_row=model.flops),
            test_cells=tuple(
                replace(cell, auc=(cell.auc or 0.0) + shift) for cell in run.test_cells or ()
            ),
        )
        for run in finalist.runs
    )
    summary = finalist.summary
    if summary is not None:
        drawn = tuple(value + shift for value in summary.resampled.headline)
        resampled = replace(summary.resampled, headline=drawn, cells=(drawn,))
        summary = replace(summary, resampled=resampled)
    return replace(finalist, runs=runs, summary=summary)


Happened = Callable[[Shop, StudyRecord, Decision], bool]


def is_false_margin(shop: Shop, record: StudyRecord, shipped: Decision) -> bool:
    """Return whether a model that loses the margin to the best one is said to lose less."""
    taken = _taken(shop, shipped)
    most = max(model.gain for model in shop.models)
    return taken is not None and SHOWN in shipped.why and most - taken.gain >= record.budget.margin


def is_dear_and_worse(shop: Shop, _: StudyRecord, shipped: Decision) -> bool:
    """Return whether a student is shipped that costs more than the best arm and is worse."""
    taken, best = _taken(shop, shipped), shop.model(BEST)
    return (
        taken is not None
        and taken.name.startswith(DISTILLED)
        and taken.flops > best.flops
        and taken.gain < best.gain
    )


def is_shown_to_be_worse(_: Shop, record: StudyRecord, shipped: Decision) -> bool:
    """Return whether test shows what is shipped to be worse than the best arm (p < 0.001)."""
    best = next(arm for arm in record.arms if arm.name == BEST)
    name = shipped.taken.name if shipped.taken else BEST
    taken = next(each for each in record.arms_and_students if each.name == name)
    gain = claim(arm_values(record, taken), arm_values(record, best))
    return gain is not None and gain.mean < 0 and gain.p < 0.001


def is_false_betterment(shop: Shop, _: StudyRecord, shipped: Decision) -> bool:
    """Return whether a student is said to be better on test that is not."""
    taken = _taken(shop, shipped)
    is_said = "shown to be better on test" in shipped.why.replace("not shown", "")
    return taken is not None and is_said and taken.gain <= shop.model(BEST).gain


def is_any_student_above(_: Shop, record: StudyRecord, __: Decision) -> bool:
    """Return whether a student is called better than the best arm."""
    students = tuple(replace(student, student_of=f"{BEST}/0") for student in record.students)
    return bool(claims(student_contrasts(replace(record, students=students)), "better"))


def is_cheap_one_taken(shop: Shop, _: StudyRecord, shipped: Decision) -> bool:
    """Return whether a model is taken that costs half of the best arm, or less."""
    taken = _taken(shop, shipped)
    return taken is not None and taken.flops <= shop.model(BEST).flops / 2


def is_student_taken(_: Shop, __: StudyRecord, shipped: Decision) -> bool:
    """Return whether a student is taken."""
    return shipped.taken is not None and shipped.taken.kind == "student"


def _taken(shop: Shop, shipped: Decision) -> Model | None:
    return None if shipped.taken is None else shop.model(shipped.taken.name)


@dataclass(frozen=True)
class Question:
    """A count in a world, and the largest share that it may have; None where there is no limit."""

    words: str
    shop: Shop
    happened: Happened
    limit: float | None = None
    part: float = 1.0  # of the studies asked for

    def happens(self, draw: np.random.Generator) -> bool:
        """Return whether it happens in one study."""
        record = self.shop.study(draw)
        return self.happened(self.shop, record, decision(record, verdict(record)))


HINET, STUDENT = Model("hinet"), "distilled_ple"


def three(
    spread: float,
    users: float,
    second: float = -0.0011,
    student: float = -0.0022,
    *,
    loud: float | None = None,
    flops: tuple[int, int] = (500, 20),
) -> Shop:
    """Return a study of HiNet, MMoE, a PLE that is far behind, and PLE's student."""
    models = (
        Model("hinet", spread=spread),
        Model("mmoe", second, spread=spread, flops=flops[0]),
        Model("ple", -0.01, spread=spread, flops=flops[1]),
        Model(STUDENT, student, spread=loud or spread, flops=flops[1]),
    )
    return Shop(models, users)


def many(spread: float, users: float, behind: float) -> Shop:
    """Return a study of nine arms and three students, all so far behind HiNet."""
    arms = ("single", "shared_bottom", "mmoe", "ple", "hmoe", "star", "flat_moe", "m2m")
    others = [
        Model(name, behind, spread=spread, flops=900 - 100 * k) for k, name in enumerate(arms)
    ]
    students = [
        replace(model, name=f"{DISTILLED}{model.name}")
        for model in others
        if model.name in arms[:3]
    ]
    return Shop((Model("hinet", spread=spread), *others, *students), users)


def of_students(count: int, users: float, *, gain: float = 0.0, flops: int = 1000) -> Shop:
    """Return a study of HiNet and equal students of other arms, which are far behind."""
    names = ("mmoe", "ple", "star", "single", "shared_bottom")[:count]
    arms = tuple(Model(name, -0.01, flops=flops) for name in names)
    students = tuple(
        Model(f"{DISTILLED}{name}", gain, spread=0.0005, flops=flops) for name in names
    )
    return Shop((HINET, *arms, *students), users)


def asked() -> Mapping[str, Sequence[Question]]:
    """Return all questions, by title."""
    return {
        "Shipping: a loss of the margin is told as less": list(_of_margins()),
        "Shipping: what is dearer, or worse on test": list(_of_dearer()),
        "Students above an arm": list(_of_students()),
        "Shipping: what is good is taken": list(_of_good_ones()),
    }


def tables(studies: int, only: str = "") -> Mapping[str, Sequence[Row]]:
    """Return the rows of all questions whose words hold a text, by title."""
    return answers(asked(), studies, only)


def answers(
    questions: Mapping[str, Sequence[Asked]], studies: int, only: str
) -> Mapping[str, Sequence[Row]]:
    """Return the rows of the questions whose words hold a text."""
    return {
        title: [
            row
            for question in among
            if only in question.words
            for row in answered(title, question, studies)[title]
        ]
        for title, among in questions.items()
    }


def _of_margins() -> Iterator[Question]:
    for users, spread in ((0.0002, 0.0003), (0.0003, 0.0005), (0.0005, 0.001)):
        errors = f"seeds {spread:g}, users {users:g}"
        yield Question(
            f"MMoE 0.0011 behind HiNet at half its FLOPs, a student 0.0022 behind at 2 %; {errors}",
            three(spread, users),
            is_false_margin,
            0.05,
        )
        yield Question(
            f"MMoE 0.0003 behind, a student 0.0022 behind; {errors}",
            three(spread, users, -0.0003),
            is_false_margin,
            0.05,
        )
    yield Question(
        "a student 0.0011 behind with loud seeds (0.0015) of MMoE's cost, MMoE 0.0022 behind",
        three(0.0005, 0.0003, -0.0022, -0.0011, loud=0.0015, flops=(100, 500)),
        is_false_margin,
        0.05,
    )
    for users, spread in ((0.0003, 0.0005), (0.001, 0.0015)):
        yield Question(
            f"eight arms and three students 0.002 behind; seeds {spread:g}, users {users:g}",
            many(spread, users, -0.002),
            is_false_margin,
            0.05,
        )


def _of_dearer() -> Iterator[Question]:
    shop = three(0.0003, 0.0002, -0.0005, -0.0003, loud=0.002, flops=(500, 5000))
    words = "a student 0.0003 behind with loud seeds (0.002) at five times the FLOPs"
    yield Question(words, shop, is_dear_and_worse, 0.05)
    yield Question(f"{words}: said to be better on test", shop, is_false_betterment, 0.05)
    ahead = Model(STUDENT, 0.001, -0.01, 0.0005, 500)
    arm = Model("ple", -0.02, spread=0.0005, flops=500)
    shop = Shop((replace(HINET, spread=0.0005), arm, ahead), 0.0005)
    yield Question(
        "a student 0.001 ahead on validation, 0.01 behind on test: shipped though test shows it",
        shop,
        is_shown_to_be_worse,
        0.0,
    )
    yield Question(
        "MMoE 0.0011 behind at half the FLOPs, small errors: shipped though test shows it",
        three(0.0003, 0.0002),
        is_shown_to_be_worse,
        0.0,
    )


def _of_students() -> Iterator[Question]:
    for users in (0.0005, 0.001):
        for count in (1, 5):
            words = f"{count} of HiNet's worth, users {users:g}: one is called better"
            shop = of_students(count, users)
            yield Question(words, shop, is_any_student_above, 0.05)
    words = "five of HiNet's worth at twice its FLOPs: one is shipped as better on test"
    yield Question(words, of_students(5, 0.0005, flops=2000), is_false_betterment, 0.05)
    words = "five of HiNet's worth at its FLOPs: one is shipped as better on test"
    yield Question(words, of_students(5, 0.0005), is_false_betterment, 0.05)


def _of_good_ones() -> Iterator[Question]:
    for users, spread in ((0.0003, 0.0005), (0.0005, 0.001), (0.001, 0.0015)):
        errors = f"seeds {spread:g}, users {users:g}"
        pair = (Model("hinet", spread=spread), Model("mmoe", spread=spread, flops=500))
        yield Question(
            f"of two equal arms that of half the FLOPs; {errors}",
            Shop(pair, users),
            is_cheap_one_taken,
        )
        yield Question(
            f"one of nine equal arms and three students, of half the FLOPs or less; {errors}",
            many(spread, users, 0.0),
            is_cheap_one_taken,
        )
    for flops in (1000, 2000):
        yield Question(
            f"one of three students 0.004 ahead at {flops / 1000:g} times the FLOPs; users 0.0005",
            of_students(3, 0.0005, gain=0.004, flops=flops),
            is_student_taken,
        )


def show(tables_of: Callable[[int, str], Mapping[str, Sequence[Row]]], words: str | None) -> None:
    """Print the tables as Markdown."""
    parser = argparse.ArgumentParser(description=words)
    parser.add_argument("--studies", type=int, default=1000, help="simulated for every line")
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="only the lines that hold this text"
    )
    arguments = parser.parse_args()
    for title, rows in tables_of(arguments.studies, arguments.only).items():
        if rows:
            print("\n".join(printed(title, rows)))


if __name__ == "__main__":
    show(tables, __doc__)
