"""Divergence: stop a training at the step where loss or gradient norm stops being finite."""

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor


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

    They are read before every evaluation, or with `at_once` at every step, which costs nothing on
    the CPU.
    """

    learning_rate: float
    at_once: bool
    loss_sum: float = 0.0
    num_losses: int = 0
    _pending: list[Tensor] = field(default_factory=list)

    def add(self, step: int, loss: Float[Tensor, ""], norm: Float[Tensor, ""]) -> None:
        """Note one step; Diverged, raised on reading, names the first step that was not finite."""
        self._pending += [loss.detach(), norm]
        if self.at_once:
            self.read(step)

    def read(self, step: int) -> None:
        """Read all pending values; `step` is the latest step noted."""
        if not self._pending:
            return
        values = torch.stack(self._pending).tolist()
        self._pending.clear()
        losses = values[::2]
        norms = values[1::2]
        for earlier, (loss, norm) in enumerate(
            zip(losses, norms, strict=True), start=step - len(losses) + 1
        ):
            for value, what in ((loss, "loss"), (norm, "gradient norm")):
                if not math.isfinite(value):
                    raise Diverged(earlier, self.learning_rate, value, what)
        self.loss_sum += sum(losses)
        self.num_losses += len(losses)

    def take_mean_loss(self) -> float:
        """Return the mean loss of the steps read since the last call."""
        mean = self.loss_sum / self.num_losses
        self.loss_sum = 0.0
        self.num_losses = 0
        return mean
