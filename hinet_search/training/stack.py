"""Stack: several models of one shape whose training steps are taken as one.

Their weights lie in stacked tensors, of which every model owns a slice; one step of
`torch.func.vmap` replaces a step of each model. Models may differ in seed, learning rates, decay,
clipping, dropout, and what a teacher and pairs of rows count. Each takes the steps that it would
take alone on the same rows, up to rounding; on a GPU dropout draws differently.
Horizontal fusion of training jobs: Wang et al., HFTA, MLSys 2021.
Shape legend: K models, B rows of a batch, R rows of a split, T tasks.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from hinet_search.common import heartbeat
from hinet_search.models.layers.activation import Activation, DropoutOfStack
from hinet_search.models.layers.batch import Batch, to_device
from hinet_search.training.feed import Feed
from hinet_search.training.optimiser import stacked_adam
from hinet_search.training.precision import forward_products, fp32_products
from hinet_search.training.predict import ROWS_AT_ONCE, predict
from hinet_search.training.teaching import LossOfStack, StepLoss
from hinet_search.training.train_config import TrainConfig


class Stack:
    """K models of one shape as one; each remains a model whose weights are slices of the stack.

    `generators` are those of each model's dropout. Without them all models draw from the default
    one of their device.
    """

    def __init__(
        self, models: Sequence[nn.Module], generators: Sequence[torch.Generator] = ()
    ) -> None:
        self.models = models
        stacked, self._buffers = stack_module_state(list(models))
        self.weights = {name: nn.Parameter(weight.detach()) for name, weight in stacked.items()}
        for k, model in enumerate(models):
            for name, weight in model.named_parameters():
                weight.data = self.weights[name].data[k]
            for name, buffer in model.named_buffers():
                buffer.data = self._buffers[name][k]
        device = next(iter(self.weights.values())).device
        layers = [_activations(model) for model in models]
        self._dropout = [
            (layer, DropoutOfStack.of([of[name].rate for of in layers], generators, device))
            for name, layer in layers[0].items()
        ]

    def logits(self, batch: Batch) -> Float[Tensor, "K B T"]:
        """Return every model's logits of the same rows."""

        def logits_of_model(weights: Mapping[str, Tensor], buffers: Mapping[str, Tensor]) -> Tensor:
            logits_BT: Tensor = functional_call(self.models[0], {**weights, **buffers}, (batch,))
            return logits_BT

        of_all_models = vmap(logits_of_model, randomness="different")
        with self._dropping():
            logits_KBT: Tensor = of_all_models(self.weights, self._buffers)
        return logits_KBT

    def scores(self, feed: Feed) -> NDArray[np.float32]:
        """Return every model's logits (K, R, T) in the order of the feed, without dropout.

        On the CPU one after another, since the large products of one model are faster there.
        """
        if feed.device.type != "cpu":
            return self.scores_at_once(feed)
        return np.stack([predict(model, feed) for model in self.models])

    def scores_at_once(self, feed: Feed, batch_size: int = ROWS_AT_ONCE) -> NDArray[np.float32]:
        """Return the same, every batch scored by all models at once."""
        template = self.models[0]
        was_training = template.training
        template.eval()
        logits_KRT: Tensor | None = None
        with torch.inference_mode():
            for rows_B, batch in feed.all_rows(batch_size):
                logits_KBT = self.logits(batch).float()
                if logits_KRT is None:
                    num_models, _, num_tasks = logits_KBT.shape
                    logits_KRT = logits_KBT.new_empty(num_models, len(feed), num_tasks)
                logits_KRT.index_copy_(1, to_device(rows_B, feed.device), logits_KBT)
                heartbeat.send_heartbeat()  # a whole split takes longer than a training step
        template.train(was_training)
        assert logits_KRT is not None, "a split has rows"
        scores_KRT: NDArray[np.float32] = logits_KRT.cpu().numpy()
        return scores_KRT

    def clip_gradients(self, clip_norm_K: Float[Tensor, "K"] | None) -> Float[Tensor, "K"]:
        """Scale each model's gradients to a norm of at most its own; return the norms before.

        With None the gradients are left as they are.
        """
        gradients = [weight.grad for weight in self.weights.values() if weight.grad is not None]
        norms = [
            torch.linalg.vector_norm(gradient.reshape(len(gradient), -1), dim=1)
            for gradient in gradients
        ]
        norm_K: Tensor = torch.linalg.vector_norm(torch.stack(norms), dim=0)
        if clip_norm_K is not None:
            scale_K = (clip_norm_K / (norm_K + 1e-6)).clamp(max=1.0)
            for gradient in gradients:
                gradient.mul_(scale_K.view(-1, *[1] * (gradient.dim() - 1)))
        return norm_K

    @contextmanager
    def _dropping(self) -> Iterator[None]:
        """Let the layers of the model that computes for all drop what each model drops."""
        for layer, dropout in self._dropout:
            layer.of_stack = dropout
        try:
            yield
        finally:
            for layer, _ in self._dropout:
                layer.of_stack = None


class StackedSteps:
    """Training steps of a stack; `configs` are of its models, in order."""

    def __init__(
        self, stack: Stack, feed: Feed, configs: Sequence[TrainConfig], loss: StepLoss
    ) -> None:
        self.stack = stack
        self._feed = feed
        self._precision = configs[0]
        self._loss = LossOfStack.of(loss, configs, feed.device)
        self._clip_norm_K: Tensor | None = None
        if any(config.clip_norm for config in configs):
            most = [config.clip_norm or float("inf") for config in configs]
            self._clip_norm_K = torch.tensor(most).to(feed.device)
        self.optimiser = stacked_adam(stack.models[0], stack.weights, configs)

    def take(
        self, rows_B: Int[Tensor, "B"], rate_share: float = 1.0
    ) -> tuple[Float[Tensor, "K"], Float[Tensor, "K"]]:
        """Take one step on these rows, at a share of the learning rates.

        Return every model's loss and gradient norm.
        """
        batch, labels_BT = self._feed.select(rows_B)
        self.optimiser.zero_grad()
        with fp32_products(self._precision, self._feed.device):
            with forward_products(self._precision, self._feed.device):
                logits_KBT = self.stack.logits(batch)
            loss_K = self._loss(logits_KBT.float(), labels_BT, rows_B, batch.scenario_B)
            torch.autograd.backward(loss_K.sum())  # no loss depends on another model's weights
        norm_K = self.stack.clip_gradients(self._clip_norm_K)
        self.optimiser.step(rate_share)
        return loss_K.detach(), norm_K


def _activations(model: nn.Module) -> dict[str, Activation]:
    return {
        name: module for name, module in model.named_modules() if isinstance(module, Activation)
    }
