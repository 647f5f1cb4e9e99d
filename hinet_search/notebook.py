"""Notebook: a study's record as a small piece of HTML, and as one line of text."""

from html import escape

from hinet_search.compare.finalists import best_on_validation
from hinet_search.compare.rules import trials_done, verdict
from hinet_search.records import ArmRecord, StudyRecord

MOST_ARMS = 20
_HEADS = ("arm", "model", "trials", "failed", "best (valid)", "seeds on test")


def html(record: StudyRecord) -> str:
    """Name, state, the verdict's sentence and a row per arm; everything that is written by somebody is escaped."""
    shown = record.arms[:MOST_ARMS]
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in _row(record, arm))}</tr>" for arm in shown)
    more = f"<p>and {len(record.arms) - MOST_ARMS} more arms</p>" if len(record.arms) > MOST_ARMS else ""
    head = "".join(f'<th scope="col">{name}</th>' for name in _HEADS)
    return (
        f"<p><b>{escape(record.name)}</b>, {escape(record.state)}: {escape(verdict(record).sentence)}</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{more}"
    )


def line(record: StudyRecord) -> str:
    """`<StudyRecord quickstart, done, 4 arms, 16 trials, best mmoe>`."""
    best = best_on_validation(record, record.arms)
    named = f", best {best.name}" if best else ""
    done = sum(trials_done(arm) for arm in record.arms)
    return f"<StudyRecord {record.name}, {record.state}, {len(record.arms)} arms, {done} trials{named}>"


def _row(record: StudyRecord, arm: ArmRecord) -> tuple[str, ...]:
    values = [trial.value for trial in arm.trials if trial.value is not None]
    best = (max if record.maximize else min)(values, default=None)
    failed = sum(trial.state == "failed" for trial in arm.trials)
    opened = max((sum(run.test_cells is not None for run in one.runs) for one in arm.finalists), default=0)
    return (
        arm.name, arm.model, f"{trials_done(arm)}/{record.budget.trials}", str(failed),
        "" if best is None else f"{best:.4f}", str(opened),
    )  # fmt: skip
