"""Checked scales: what must hold of the scales in a model's config.yaml."""

from collections.abc import Collection, Sequence
from math import isfinite

from hinet_search.data.encode import Scale
from hinet_search.data.transforms import Wave
from hinet_search.study.feature_definition import PARTS, cycle_input


def check_scales(scales: Sequence[Scale], numeric: Collection[str]) -> None:
    """ValueError for a scale that means nothing; `numeric` are the numeric columns."""
    for scale in scales:
        _check_scale(scale)
        if scale.transform is not None and scale.column not in numeric:
            raise ValueError(f"scales of '{scale.name}', which is derived, must have no transform")
        if isinstance(scale.transform, Wave):
            _check_wave(scale, scale.transform, scales)


def _check_scale(scale: Scale) -> None:
    """ValueError unless mean, spread and the range of `clip` are finite and in order."""
    if not (isfinite(scale.mean) and isfinite(scale.spread) and scale.spread >= 0):
        raise ValueError(
            f"scales of '{scale.name}' must be a finite mean and a finite spread >= 0, "
            f"got {scale.mean} and {scale.spread}"
        )
    if scale.clip is None:
        return
    low, high = scale.clip
    if not (isfinite(low) and isfinite(high) and low < high):
        raise ValueError(
            f"clip of '{scale.name}' must be [LOW, HIGH] with LOW < HIGH, got {list(scale.clip)}"
        )


def _check_wave(scale: Scale, wave: Wave, scales: Sequence[Scale]) -> None:
    """ValueError unless a cycle is positive and has both of its inputs."""
    parts = [cycle_input(wave.column, part) for part in PARTS]
    named = [each.name for each in scales if each.column == wave.column]
    if named != parts or scale.name != cycle_input(wave.column, wave.part):
        raise ValueError(
            f"scales of the cycle of '{wave.column}' must be {' and '.join(parts)}, "
            f"got {', '.join(named)}"
        )
    if not (isfinite(wave.cycle) and wave.cycle > 0):
        raise ValueError(f"the cycle of '{wave.column}' must be > 0, got {wave.cycle}")
