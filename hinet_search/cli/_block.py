"""The live block: arms, slots and what is left, as lines of text. Made of counters, never of trials."""

from collections.abc import Sequence

from hinet_search.cli._words import count, duration, gigabytes, value_or_dash
from hinet_search.search.progress import ArmProgress, JobProgress, Progress

SPARKS = "▁▂▃▄▅▆▇█"
MAX_ARMS = 12
BAR = 18


def block(progress: Progress, width: int) -> str:
    """The block, at most `width` columns."""
    best = progress.best
    shown = list(progress.arms.values())[:MAX_ARMS]
    hidden = len(progress.arms) - len(shown)
    lines = [
        _headline(progress, width - 1),
        f"  {'arm':<15} {'best':<8} {'trial':>5}  {'progress':<{BAR}} {'done':>5} {'pruned':>6} {'failed':>6}",
        *(_arm(arm, is_best=arm is best) for arm in shown),
        *([f"  ...{hidden} more"] if hidden else []),
        f"  {'slot':<4} {'runs':<24} {'pass':>9}  {'valid':<14} {'rows/s':>8} {'memory':>8}",
        *(_job(job, progress.passes) for job in sorted(progress.running.values(), key=lambda job: job.slot)),
        _last_line(progress),
        "Ctrl-C stops safely, the same command goes on",
    ]
    return "\n".join(line[: width - 1].rstrip() for line in lines)


def _headline(progress: Progress, width: int) -> str:
    slots = f"{progress.slots} slot{'s' if progress.slots > 1 else ''} on {progress.device}"
    title = f"{progress.study} · {len(progress.arms)} arms · {slots}"
    hours, rest = divmod(round(progress.seconds), 3600)
    clock = f"{hours:02d}:{rest // 60:02d}:{rest % 60:02d}"
    return f"{title[: width - 10]}{clock:>{max(10, min(width, 80) - len(title))}}"


def _arm(arm: ArmProgress, *, is_best: bool) -> str:
    trial = "" if arm.best_trial is None else str(arm.best_trial)
    best = f"{value_or_dash(arm.best)}{' ▲' if is_best else ''}"
    progress = bar(arm.trained / arm.budget, BAR)
    return f"  {arm.name[:15]:<15} {best:<8} {trial:>5}  {progress} {arm.done:>5} {arm.pruned:>6} {arm.failed:>6}"


def _job(job: JobProgress, passes: float) -> str:
    shown = "" if job.passes is None else f"{job.passes:.2f}/{passes:g}"
    value = f"{value_or_dash(job.values[-1])} {sparkline(job.values)}" if job.values else ""
    speed = "" if job.rows_per_second is None else count(job.rows_per_second)
    memory = "" if job.memory_bytes is None else gigabytes(job.memory_bytes)
    return f"  {job.slot:<4} {job.key[:24]:<24} {shown:>9}  {value:<14} {speed:>8} {memory:>8}"


def _last_line(progress: Progress) -> str:
    left, phase = progress.seconds_left, progress.phase
    parts = [f"{phase.name} {phase.done} of {phase.total}"]
    parts += [f"{duration(left)} left"] if left is not None else []
    parts += [f"{progress.retried} retried ({progress.last_retry})"] if progress.retried else []
    return " · ".join(parts)


def bar(share: float, width: int) -> str:
    """A bar of `width` characters."""
    full = round(min(share, 1.0) * width)
    return "█" * full + "░" * (width - full)


def sparkline(values: Sequence[float], width: int = 8) -> str:
    """The last values as a row of eight heights, lowest to highest."""
    shown = values[-width:]
    low, high = min(shown), max(shown)
    return "".join(SPARKS[round((value - low) / (high - low) * 7) if high > low else 3] for value in shown)
