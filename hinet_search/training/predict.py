"""Predict: the logits of all rows of a feed, and the hash by which equal weights are known.

Shape legend: R rows, T tasks.
"""

import hashlib

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from hinet_search import life
from hinet_search.training.feed import Feed

ROWS_AT_ONCE = 4096  # activations of 50 scenarios with 4 sub-experts still fit in half a gigabyte


def predict(model: nn.Module, feed: Feed, batch_size: int = ROWS_AT_ONCE) -> NDArray[np.float32]:
    """Logits (R, T) in the order of the feed, without dropout; the model's mode is left as it was."""
    scores_RT: NDArray[np.float32] = logits(model, feed, batch_size).cpu().numpy()
    return scores_RT


def logits(model: nn.Module, feed: Feed, batch_size: int = ROWS_AT_ONCE) -> Float[Tensor, "R T"]:
    """As `predict`, left on the feed's device: nothing of it is read."""
    was_training = model.training
    model.eval()
    parts: list[Tensor] = []
    with torch.inference_mode():
        for batch in feed.in_order(batch_size):
            parts.append(model(batch))
            life.sign()  # a split may take longer than the steps between two questions whether to stop
        logits_RT = torch.cat(parts)
    model.train(was_training)
    return logits_RT.float()


def weights_hash(model: nn.Module) -> str:
    """SHA-256 over names and bytes of all weights and buffers: equal exactly when the weights are, bit for bit."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
