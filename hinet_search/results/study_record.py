"""Study record: a stored study with its tables as Polars frames and its notebook view."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from textwrap import fill
from typing import TYPE_CHECKING

from hinet_search.common import notebook, plugins
from hinet_search.common.errors import ConfigurationError
from hinet_search.results.data_record import DataRecord
from hinet_search.results.ensemble_records import EnsembleRecord, RunKey
from hinet_search.results.records import MARGIN, NO_LIMITS, ArmRecord, ServingLimits

if TYPE_CHECKING:
    import polars as pl

FORMATS = "hinet_search.report.formats"
MOST_ARMS = 20  # rows of the notebook view
MOST_COLUMNS = 100  # of a line of the verdict
_HEADS = ("arm", "model", "trials", "failed", "best (valid)", "seeds on test")


def most_finalists(top: int, trials: int, *, default: bool) -> int:
    """Return the highest number of configurations of an arm that are retrained after its trials.

    These are its `top` best trials and, if it is wanted, the default, which may be one of them.
    """
    return min(top + default, trials)


@dataclass(frozen=True)
class Budget:
    """Budget of every arm, and the margin of quality that a cheaper arm may lose."""

    trials: int
    epochs: float
    finalist_seeds: int
    finalist_top: int
    wall_clock_seconds: float | None = None
    seconds: float | None = None  # of the whole study, from which `trials` follow
    # Highest FLOPs per row of a draw, as a multiple of the default HiNet's.
    cost_limit: float | None = None
    margin: float = MARGIN  # the largest loss, in the headline, of a cheaper arm
    student_trials: int = 0  # of each student; 0 if the study teaches none
    serving: ServingLimits = NO_LIMITS
    refit: bool = False  # whether what is shipped was trained again on train and validation rows
    finalist_default: bool = True  # whether the default is retrained beside the best trials
    student_top: int = 1  # best trials of a student that are retrained


@dataclass(frozen=True)
class PairedRun:
    """A training without the groups of inputs, or the choices of the search, that are `left_out`.

    It is paired by seed with that without nothing. `arm` is the arm whose default configuration
    measures inputs, or for choices the finalist (`hinet/12`); no arm has a slash in its name.
    """

    arm: str
    left_out: tuple[str, ...]
    seed: int
    value: float  # the objective on validation

    @property
    def is_of_choices(self) -> bool:
        """Whether it measures choices."""
        return "/" in self.arm


@dataclass(frozen=True, repr=False)
class StudyRecord:
    """A stored study, as reports read it.

    `trials`, `evaluations` and `finalists` are its contents as tables. Neither `students` nor
    `ensembles` are compared as arms: students learn from the finalists of the arms, and ensembles
    are made of the finalists of arms and students.
    """

    name: str
    description: str
    state: str  # running, stopped, interrupted (its process died), done
    objective: str
    maximize: bool
    sampler: str
    pruner: str
    seed: int
    slots: int
    budget: Budget
    data: DataRecord
    arms: tuple[ArmRecord, ...]
    study_yaml: str
    command: str
    versions: Mapping[str, str]
    test_accesses: int  # test accesses to these rows by all studies of this database
    looks: int = 1  # at these rows, this study's last one included: claims get stricter (holm)
    started: str = ""
    updated: str = ""
    seconds: float = 0.0
    reference: str = "single"  # the arm that gains are measured against
    shared_batches: bool = False  # all seeds of a finalist had the rows in one order
    verdict: str = ""  # the sentence stored at the end of a launch
    students: tuple[ArmRecord, ...] = ()
    ensembles: tuple[EnsembleRecord, ...] = ()
    other_objectives: tuple[str, ...] = ()  # after the first, which trials and verdict go by
    paired_runs: tuple[PairedRun, ...] = ()  # that measured what inputs and choices are worth

    @property
    def sign(self) -> int:
        """1 if larger values of the objective are better, else -1."""
        return 1 if self.maximize else -1

    @property
    def input_runs(self) -> tuple[PairedRun, ...]:
        """The trainings that measured what groups of inputs are worth."""
        return tuple(run for run in self.paired_runs if not run.is_of_choices)

    @property
    def arms_and_students(self) -> tuple[ArmRecord, ...]:
        """Everything that has trials and finalists."""
        return (*self.arms, *self.students)

    def ensemble(self, name: str) -> EnsembleRecord | None:
        """Return the ensemble of that name, if the study has it."""
        return next((ensemble for ensemble in self.ensembles if ensemble.name == name), None)

    def seed_number(self, run: RunKey) -> int:
        """Return the number of a run's seed, from 1 on; the seed itself has nine digits."""
        before = set()
        for arm in self.arms_and_students:
            for finalist in arm.finalists:
                if (arm.name, finalist.trial_number) == (run.arm, run.trial_number):
                    before = {each.seed for each in finalist.runs if each.seed < run.seed}
        return len(before) + 1

    def budget_of(self, arm: ArmRecord) -> int:
        """Return the trials of an arm that count for the budget, at most one per configuration.

        Where a later launch lowered the budget, they are those that had begun before.
        """
        planned = self.budget.student_trials if arm.student_of else self.budget.trials
        if arm.configurations is not None and not arm.student_of:
            planned = min(planned, arm.configurations)
        return max(planned, sum(trial.counts for trial in arm.trials))

    def most_finalists_of(self, arm: ArmRecord) -> int:
        """Return the highest number of configurations of an arm that are retrained.

        Once all its trials have ended, and with one objective, it is the exact number.
        """
        top = self.budget.student_top if arm.student_of else self.budget.finalist_top
        if arm.trials_done == self.budget_of(arm) and not self.other_objectives:
            return self._num_finalists(arm, top)
        return most_finalists(top, self.budget_of(arm), default=self.budget.finalist_default)

    def _num_finalists(self, arm: ArmRecord, top: int) -> int:
        """Count the `top` best complete trials and the default, where it is none of them."""
        complete = [trial for trial in arm.trials if trial.state == "complete"]
        complete.sort(key=lambda trial: (-self.sign * (trial.value or 0.0), trial.number))
        numbers = {trial.number for trial in complete[:top]}
        if self.budget.finalist_default or not numbers:
            for trial in arm.trials:
                if trial.number == 0 and trial.counts and trial.state in ("complete", "pruned"):
                    numbers.add(0)
        return len(numbers)

    @property
    def trials(self) -> "pl.DataFrame":
        """A row per trial, with a column for every searched setting."""
        from hinet_search.results import frames

        return frames.trials(self.arms_and_students)

    @property
    def evaluations(self) -> "pl.DataFrame":
        """A row per evaluation on validation; only finalists have a `seed`."""
        from hinet_search.results import frames

        return frames.evaluations(self.arms_and_students)

    @property
    def finalists(self) -> "pl.DataFrame":
        """A row per finalist, seed, split (valid, test) and cell."""
        from hinet_search.results import frames

        return frames.finalists(self.arms_and_students, self.data.units)

    @property
    def members(self) -> "pl.DataFrame":
        """A row per member of an ensemble, with its weight."""
        from hinet_search.results import frames

        return frames.members(self.ensembles)

    def show(self, card: str | None = None, height: int = 720) -> None:
        """Show the report, or one card of it, below the cell of a notebook, `height` pixels high.

        The page keeps its content security policy, and cannot reach the notebook around it.
        Errors: ConfigurationError outside a notebook, or if no card has that name; NotApplicable,
        a HinetSearchError, if the record lacks what the card shows.
        """
        if not notebook.is_running():
            raise ConfigurationError(
                "show: a report is shown in a notebook, and this process runs none",
                remedy=f"hinet-search report {self.name} --open",
            )
        page = plugins.load("hinet_search.report", "page").render(self, card)
        frame = (
            f'<iframe srcdoc="{escape(page)}" title="Report of {escape(self.name)}" '
            'sandbox="allow-scripts allow-downloads" allow="clipboard-write" '
            f'style="width:100%;height:{height}px;border:0"></iframe>'
        )
        notebook.CellOutput(frame, str(self))

    def __repr__(self) -> str:
        done = sum(arm.trials_done for arm in self.arms)
        return f"<StudyRecord {self.name}, {self.state}, {len(self.arms)} arms, {done} trials>"

    def __str__(self) -> str:
        """Return state and verdict, in a few lines."""
        return f"{self!r}\n{fill(self.verdict or 'There is no verdict yet.', MOST_COLUMNS)}"

    def _repr_html_(self) -> str:
        """Return name, state, verdict and a row per arm as HTML; all texts are escaped."""
        summary = f"{self.state}: {self.verdict}" if self.verdict else self.state
        head = "".join(f'<th scope="col">{name}</th>' for name in _HEADS)
        rows = "".join(map(self._html_row, self.arms[:MOST_ARMS]))
        hidden = len(self.arms) - MOST_ARMS
        more = f"<p>and {hidden} more arms</p>" if hidden > 0 else ""
        return (
            f"<p><b>{escape(self.name)}</b>, {escape(summary)}</p>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{more}"
        )

    def _html_row(self, arm: ArmRecord) -> str:
        values = [trial.value for trial in arm.trials if trial.value is not None]
        best = max(values, key=lambda value: self.sign * value, default=None)
        seeds_on_test = [
            sum(run.test_cells is not None for run in finalist.runs) for finalist in arm.finalists
        ]
        cells = (
            arm.name,
            arm.model,
            f"{arm.trials_done}/{self.budget_of(arm)}",
            str(arm.num_failed),
            "" if best is None else f"{best:.4f}",
            str(max(seeds_on_test, default=0)),
        )
        return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
