"""Step log: loss and gradient norm of every step, and what it means that one is not finite.

Shape legend: S steps.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

PENDING_STEPS = 4096  # whose loss and norm a GPU keeps at most


class Diverged(Exception):
    """A loss, gradient norm or score is not finite; `step` counts batches from 1."""

    def __init__(self, step: int, learning_rate: float, value: float, what: str) -> None:
        super().__init__(step, learning_rate, value, what)
        self.step = step
        self.learning_rate = learning_rate
        self.value = value
        self.what = what

    def __str__(self) -> str:
        return f"{self.what} {self.value} at step {self.step}, learning rate {self.learning_rate:g}"


@dataclass
class StepLog:
    """Loss and gradient norm of every step, kept on the device until they are read and checked.

    They are in one buffer, which is read before every evaluation and when it is full, or with
    `at_once` at every step, which costs nothing on the CPU.
    """

    learning_rate: float
    at_once: bool
    loss_sum: float = 0.0
    num_losses: int = 0
    _pending_S2: Float[Tensor, "S 2"] | None = None
    _num_pending: int = 0

    def add(self, step: int, loss: Float[Tensor, ""], norm: Float[Tensor, ""]) -> None:
        """Note one step; Diverged, raised on reading, names the first step that was not finite."""
        if self._pending_S2 is None:
            num_steps = 1 if self.at_once else PENDING_STEPS
            self._pending_S2 = torch.empty(num_steps, 2, device=loss.device)
        torch.stack([loss.detach(), norm], out=self._pending_S2[self._num_pending])
        self._num_pending += 1
        if self._num_pending == len(self._pending_S2):
            self.read(step)

    def read(self, step: int) -> None:
        """Read all pending values; `step` is the latest step noted."""
        if self._pending_S2 is None:
            return
        first = step - self._num_pending + 1
        pending = self._pending_S2[: self._num_pending].tolist()
        self._num_pending = 0
        for earlier, (loss, norm) in enumerate(pending, start=first):
            for value, what in ((loss, "loss"), (norm, "gradient norm")):
                if not math.isfinite(value):
                    raise Diverged(earlier, self.learning_rate, value, what)
        self.loss_sum += sum(loss for loss, _ in pending)
        self.num_losses += len(pending)

    def take_mean_loss(self) -> float:
        """Return the mean loss of the steps read since the last call."""
        mean = self.loss_sum / self.num_losses
        self.loss_sum = 0.0
        self.num_losses = 0
        return mean
