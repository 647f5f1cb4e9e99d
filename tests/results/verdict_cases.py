"""Studies of every rule of the verdict, with the sentence that a reader sees."""

from dataclasses import replace

from hinet_search.results.records import ArmRecord
from hinet_search.results.study_record import StudyRecord
from tests.duels import NOISE, duel, meeting, with_seeds_opened, with_test_aucs, without_users
from tests.report.arms import Shape
from tests.report.edits import each_arm, each_finalist, each_run
from tests.report.studies import empty, failed_only, study

MANY = ("star", "mmoe", "hmoe", "trees")


def at(level: float) -> list[float]:
    """AUCs of five seeds around a level."""
    return [level + noise for noise in NOISE]


def in_two_cells(**levels: tuple[float, float]) -> StudyRecord:
    """Arms with a level in each of two cells."""
    record = study(Shape(arms=tuple(levels), scenarios=("Home", "Push"), tasks=("click",)))
    for arm, (home, push) in levels.items():
        record = with_test_aucs(
            record, arm, {("Home", "click"): at(home), ("Push", "click"): at(push)}
        )
    return record


def swinging() -> StudyRecord:
    """A gain that the mean of two cells shows and no cell alone does: the arms' seeds swing against each other."""
    record = study(Shape(arms=("ple", "hinet"), scenarios=("Home", "Push"), tasks=("click",)))
    swing = [0.02, -0.02, 0.01, -0.01, 0.0]
    for arm, level in (("ple", 0.70), ("hinet", 0.71)):
        cells = {
            ("Home", "click"): [level + s for s in swing],
            ("Push", "click"): [level - s for s in swing],
        }
        record = with_test_aucs(record, arm, cells)
    return record


def short_of(record: StudyRecord, name: str, trials: int) -> StudyRecord:
    """The study with the named arm ended after that many of its trials."""
    return each_arm(record, lambda arm: replace(arm, trials=arm.trials[:trials]), name)


def short(trials: int, *others: str) -> StudyRecord:
    """A study in which PLE had that many of its sixty trials."""
    return short_of(study(Shape(arms=("ple", "hinet", *others), trials=60)), "ple", trials)


def without(record: StudyRecord, *names: str) -> StudyRecord:
    """The named arms without finalists."""
    return each_arm(record, lambda arm: replace(arm, finalists=()), *names)


def of_one_model(record: StudyRecord, *names: str) -> StudyRecord:
    """The named arms are variants of HiNet."""
    return each_arm(record, lambda arm: replace(arm, model="hinet"), *names)


def none_chosen() -> StudyRecord:
    return each_arm(
        study(Shape(opened=False)),
        lambda arm: each_finalist(arm, lambda finalist: replace(finalist, chosen=False)),
    )


def closed(record: StudyRecord, *names: str) -> StudyRecord:
    """The study with the named arms not scored on test."""
    return each_arm(
        record, lambda arm: each_run(arm, lambda run: replace(run, test_cells=None)), *names
    )


def other_seeds() -> StudyRecord:
    return each_arm(
        study(Shape(arms=("ple", "hinet"))),
        lambda arm: each_run(arm, lambda run: replace(run, seed=run.seed + 100)),
        "ple",
    )


def failed(record: StudyRecord, *names: str) -> StudyRecord:
    """The named arms ended after five trials that all failed."""

    def changed(arm: ArmRecord) -> ArmRecord:
        trials = (replace(trial, state="failed", value=None) for trial in arm.trials[:5])
        return replace(arm, finalists=(), trials=tuple(trials))

    return each_arm(record, changed, *names)


def one_trial_of_two() -> StudyRecord:
    record = empty()
    return replace(record, arms=record.arms[:2], budget=replace(record.budget, trials=1))


CASES: dict[str, tuple[StudyRecord, str, str]] = {
    "better in the only cell": (
        duel(at(0.75), at(0.70)),
        "better",
        "This HiNet wins. It is better than PLE in 1 of 1 cell and worse in none.",
    ),
    "better in one of two cells, worse in none": (
        in_two_cells(ple=(0.70, 0.70), hinet=(0.75, 0.70)),
        "better",
        "This HiNet wins. It is better than PLE in 1 of 2 cells and worse in none.",
    ),
    "better in one cell, worse in another": (
        in_two_cells(ple=(0.70, 0.70), hinet=(0.78, 0.68)),
        "better",
        "This HiNet wins. It is better than PLE in 1 of 2 cells and worse in 1.",
    ),
    "better in the mean, no cell decided": (
        swinging(),
        "better",
        "This HiNet wins over PLE by 0.0100, though no single cell is decided.",
    ),
    "worse": (duel(at(0.70), at(0.72)), "worse", "This PLE wins. This HiNet is worse by 0.0200."),
    "worse, and another arm is ahead too": (
        meeting(star=at(0.75), ple=at(0.76), hinet=at(0.72)),
        "worse",
        "This PLE wins. This HiNet is worse by 0.0400. Ahead of HiNet on test: STAR by 0.0300.",
    ),
    "worse, and another arm is further ahead": (
        meeting(star=at(0.76), ple=at(0.74), hinet=at(0.72)),
        "worse",
        "This HiNet is worse than PLE by 0.0200. Ahead of HiNet on test: STAR by 0.0400.",
    ),
    "better than the strongest on validation, but another arm is ahead": (
        meeting(star=at(0.76), ple=at(0.70), hinet=at(0.72)),
        "better",
        "This HiNet is better than PLE by 0.0200, but does not win. Ahead of HiNet on test: STAR by 0.0400.",
    ),
    "better than the strongest on validation, another arm does not differ significantly": (
        meeting(star=at(0.72), ple=at(0.70), hinet=at(0.72)),
        "better",
        "No clear winner: this HiNet is better than PLE, but not significantly different from STAR.",
    ),
    "many arms do not differ significantly": (
        meeting(**{name: at(0.72) for name in MANY}, ple=at(0.70), hinet=at(0.72)),
        "better",
        "No clear winner: this HiNet is better than PLE, but not significantly different from 4 other arms.",
    ),
    "no difference": (
        duel(at(0.70), at(0.70)),
        "unclear",
        "No clear winner: no significant difference between this HiNet and PLE over the seeds and users.",
    ),
    "no difference from the strongest, better than another": (
        meeting(ple=at(0.72), star=at(0.70), hinet=at(0.72)),
        "unclear",
        "No clear winner: no significant difference between this HiNet and PLE over the seeds and users. This HiNet is better than STAR.",
    ),
    "no difference from the strongest, another arm is ahead": (
        meeting(ple=at(0.70), star=at(0.74), hinet=at(0.70)),
        "unclear",
        "No clear winner: no significant difference between this HiNet and PLE over the seeds and users. Ahead of HiNet on test: STAR by 0.0400.",
    ),
    "two seeds, ahead": (
        duel([0.75, 0.751], [0.7, 0.701]),
        "observation",
        "This HiNet is ahead of PLE by 0.0500: an observation, not a claim (2 of 5 seeds).",
    ),
    "two seeds, behind": (
        duel([0.65, 0.651], [0.7, 0.701]),
        "observation",
        "This HiNet is behind PLE by 0.0500: an observation, not a claim (2 of 5 seeds).",
    ),
    "one seed": (
        duel([0.75], [0.7]),
        "observation",
        "This HiNet is ahead of PLE by 0.0500: an observation, not a claim (1 of 5 seeds).",
    ),
    "three seeds that disagree": (
        duel([0.7, 0.75, 0.65], [0.7] * 3),
        "observation",
        "No clear winner between this HiNet and PLE: an observation, not a claim (3 of 5 seeds).",
    ),
    "five seeds without users": (
        without_users(duel(at(0.75), at(0.70))),
        "observation",
        "This HiNet is ahead of PLE by 0.0500: an observation, not a claim (users not counted).",
    ),
    "users of one side alone": (
        without_users(duel(at(0.75), at(0.70)), "ple"),
        "observation",
        "This HiNet is ahead of PLE by 0.0500: an observation, not a claim (users not counted).",
    ),
    "one order of rows for all seeds": (
        replace(duel(at(0.75), at(0.70)), shared_batches=True),
        "observation",
        "This HiNet is ahead of PLE by 0.0500: an observation, not a claim (one order of rows for all seeds).",
    ),
    "the strongest lacks seeds, another arm is beaten": (
        with_seeds_opened(meeting(star=at(0.70), ple=at(0.74), hinet=at(0.75)), "ple", 3),
        "observation",
        "This HiNet is ahead of PLE by 0.0100: an observation, not a claim (3 of 5 seeds). This HiNet is better than STAR.",
    ),
    "better than the strongest, another arm lacks seeds": (
        with_seeds_opened(meeting(star=at(0.70), ple=at(0.70), hinet=at(0.75)), "star", 2),
        "better",
        "This HiNet is better than PLE. No claim about STAR (2 of 5 seeds).",
    ),
    "better than the strongest, two arms lack something else each": (
        without_users(
            with_seeds_opened(
                meeting(star=at(0.7), mmoe=at(0.7), ple=at(0.7), hinet=at(0.75)), "star", 2
            ),
            "mmoe",
        ),
        "better",
        "This HiNet is better than PLE. No claim about STAR (2 of 5 seeds). No claim about MMoE (users not counted).",
    ),
    "worse than the strongest, another arm lacks seeds": (
        with_seeds_opened(meeting(star=at(0.70), ple=at(0.80), hinet=at(0.75)), "star", 4),
        "worse",
        "This PLE wins. This HiNet is worse by 0.0500. No claim about STAR (4 of 5 seeds).",
    ),
    "a third of the trials": (
        short(20),
        "incomparable",
        "Not comparable: PLE had 20 of 60 trials.",
    ),
    "no common seed": (
        other_seeds(),
        "incomparable",
        "Not comparable: HiNet and PLE share no seed with a test value.",
    ),
    "no trial yet": (empty(), "undecided", "Not decided yet: 0 of 84 trials."),
    "one planned trial an arm": (
        one_trial_of_two(),
        "undecided",
        "Not decided yet: 0 of 2 trials.",
    ),
    "all trials failed": (failed_only(), "undecided", "Not decided yet: no finalists."),
    "one arm without finalists in a study that runs": (
        replace(
            without(meeting(single=at(0.7), ple=at(0.7), hinet=at(0.72)), "single"), state="running"
        ),
        "undecided",
        "Not decided yet: no finalists for Single.",
    ),
    "one arm without finalists in a study that is done": (
        without(meeting(single=at(0.7), ple=at(0.7), hinet=at(0.72)), "single"),
        "better",
        "This HiNet wins. It is better than PLE in 1 of 1 cell and worse in none. Left out: Single (no finalist).",
    ),
    "one arm without finalists, all others are one model": (
        without(
            of_one_model(meeting(mmoe=at(0.7), no_san=at(0.7), hinet=at(0.72)), "no_san", "hinet"),
            "mmoe",
        ),
        "better",
        "This HiNet wins. It is better than no_san in 1 of 1 cell and worse in none. Left out: MMoE (no finalist).",
    ),
    "one arm without finalists, another with a third of the trials": (
        without(short(20, "single"), "single"),
        "incomparable",
        "Not comparable: PLE had 20 of 60 trials. Left out: Single (no finalist).",
    ),
    "all arms but one without finalists": (
        without(study(Shape(arms=("single", "ple", "hinet"))), "single", "ple"),
        "undecided",
        "Not decided yet: no finalists for Single and PLE.",
    ),
    "finalists of which none is chosen": (
        none_chosen(),
        "undecided",
        "Not decided yet: no finalist is chosen.",
    ),
    "test closed": (
        study(Shape(opened=False)),
        "undecided",
        "Not decided yet: test is not opened.",
    ),
    "an arm whose trials all failed": (
        failed(meeting(mmoe=at(0.7), ple=at(0.7), hinet=at(0.72)), "mmoe"),
        "better",
        "This HiNet wins. It is better than PLE in 1 of 1 cell and worse in none. Left out: MMoE (all trials failed).",
    ),
    "arms that failed in three ways": (
        failed(
            closed(
                without(
                    meeting(**{name: at(0.7) for name in MANY}, ple=at(0.7), hinet=at(0.72)), "hmoe"
                ),
                "mmoe",
            ),
            "star",
            "trees",
        ),
        "better",
        (
            "This HiNet wins. It is better than PLE in 1 of 1 cell and worse in none. "
            "Left out: STAR and Trees (all trials failed), MMoE (not opened on test), HMoE (no finalist)."
        ),
    ),
    "an arm that could not be opened on test": (
        closed(meeting(single=at(0.7), ple=at(0.7), hinet=at(0.72)), "ple"),
        "better",
        "This HiNet wins. It is better than Single in 1 of 1 cell and worse in none. Left out: PLE (not opened on test).",
    ),
    "an arm that ended by failing, though with an opened finalist": (
        short_of(meeting(single=at(0.7), ple=at(0.7), hinet=at(0.72)), "ple", 5),
        "better",
        "This HiNet wins. It is better than Single in 1 of 1 cell and worse in none. Left out: PLE (5 of 24 trials).",
    ),
    "the arm in focus ended by failing": (
        short_of(meeting(single=at(0.7), ple=at(0.7), hinet=at(0.72)), "hinet", 5),
        "incomparable",
        "Not comparable: HiNet had 5 of 24 trials.",
    ),
    "the focus failed, the others are compared": (
        failed(meeting(single=at(0.7), ple=at(0.72), hinet=at(0.72)), "hinet"),
        "better",
        "This PLE wins. It is better than Single in 1 of 1 cell and worse in none. Left out: HiNet (all trials failed).",
    ),
    "test closed for one arm of a study that was stopped": (
        replace(closed(study(Shape(arms=("single", "ple", "hinet"))), "ple"), state="stopped"),
        "undecided",
        "Not decided yet: test is not opened for PLE.",
    ),
    "one arm": (
        study(Shape(arms=("hinet",))),
        "undecided",
        "Nothing to compare: the study has one arm.",
    ),
    "no arm": (replace(empty(), arms=()), "undecided", "Nothing to compare: no arm has run yet."),
}
