"""Random draws from a space, for plans: uniform, or on the log scale where asked; no sampler is involved."""

import numpy as np

from hinet_search.distributions import Choice


class RandomDraw:
    """Draws uniformly (on the log scale where asked), for plans and tests; no sampler is involved."""

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(seed)

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """An integer between low and high."""
        if log:
            return min(high, int(np.exp(self._generator.uniform(np.log(low), np.log(high + 1)))))
        return low + step * int(self._generator.integers((high - low) // step + 1))

    def suggest_float(
        self,
        name: str,
        low: float,
        high: float,
        *,
        step: float | None = None,
        log: bool = False,
    ) -> float:
        """A number between low and high."""
        if log:
            return float(np.exp(self._generator.uniform(np.log(low), np.log(high))))
        drawn = float(self._generator.uniform(low, high))
        return drawn if step is None else low + step * round((drawn - low) / step)

    def suggest_categorical(self, name: str, choices: tuple[Choice, ...]) -> Choice:
        """One of the choices."""
        return choices[int(self._generator.integers(len(choices)))]
