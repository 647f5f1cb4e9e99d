"""Predict: the logits of all rows of a feed.

Shape legend: R rows, B rows of a batch, T tasks.
"""

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from hinet_search.common import heartbeat
from hinet_search.models.layers.batch import to_device
from hinet_search.training.feed import Feed

ROWS_AT_ONCE = 4096  # activations of 50 scenarios with 4 sub-experts still fit in half a gigabyte


def predict(model: nn.Module, feed: Feed, batch_size: int = ROWS_AT_ONCE) -> NDArray[np.float32]:
    """Return logits (R, T) in the order of the feed, without dropout."""
    scores_RT: NDArray[np.float32] = logits(model, feed, batch_size).cpu().numpy()
    return scores_RT


def logits(model: nn.Module, feed: Feed, batch_size: int = ROWS_AT_ONCE) -> Float[Tensor, "R T"]:
    """Return the same as `predict`, left on the feed's device and not read."""
    was_training = model.training
    model.eval()
    logits_RT: Tensor | None = None
    with torch.inference_mode():
        for rows_B, batch in feed.all_rows(batch_size):
            logits_BT = model(batch).float()
            if logits_RT is None:
                logits_RT = logits_BT.new_empty(len(feed), logits_BT.shape[1])
            logits_RT.index_copy_(0, to_device(rows_B, feed.device), logits_BT)
            heartbeat.send_heartbeat()  # a whole split takes longer than a training step
    model.train(was_training)
    assert logits_RT is not None, "a split has rows"
    return logits_RT
