"""Similarity: how alike a row's item and the entries of its list are, by the users whose lists have them in common.

An item's factors are its row in a truncated SVD of the 0/1 matrix of users and the items of their lists, of length 1.
The similarity is the mean of the products with the factors of the list's entries; the item itself does not count.

Shape legend: R rows, D distinct lists, E entries of all distinct lists, U users, I items that occur in lists, K factors.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.linalg import svds

from hinet_search.data.agreement import NONE, agreeing, codes_of, distinct_values
from hinet_search.data.lists import DistinctLists

SEED = 0
NOTHING = 1e-8  # factors this far below the largest are rounding
ROWS_AT_ONCE = 2**16


@dataclass(frozen=True)
class ItemFactors:
    """The items of the lists that factors were made of, in order, and theirs; 0 for an item that no user has."""

    items_I: pl.Series
    factors_IK: NDArray[np.float64]


def factors_of(lists: DistinctLists, list_U: NDArray[np.int64], num_factors: int) -> ItemFactors:
    """Factors of all items that occur; `list_U` is the list of each user whose lists make them."""
    items_I = distinct_values(lists.entries_E)
    if items_I.is_empty():
        return ItemFactors(items_I, np.zeros((0, 1)))
    times_DI = _times(lists, codes_of(lists.entries_E, items_I), len(items_I))
    return ItemFactors(items_I, item_factors((times_DI[list_U] > 0).astype(np.float64), num_factors))


def similarity(
    known: ItemFactors, lists: DistinctLists, list_R: NDArray[np.int64], item: pl.Series
) -> NDArray[np.float64]:
    """In -1 to 1 for every row (R,); 0 for an item without factors, and for a list without any other such item.

    `item` is that of the row.
    """
    items_I, factors_IK = known.items_I, known.factors_IK
    if items_I.is_empty():
        return np.zeros(list_R.size)
    item_E, item_R = codes_of(lists.entries_E, items_I), codes_of(item, items_I)
    times_DI = _times(lists, item_E, len(items_I))
    known_I = (factors_IK != 0).sum(axis=1) > 0
    sum_DK, num_known_D = times_DI @ factors_IK, times_DI @ known_I.astype(np.float64)
    item_R = np.where((item_R != NONE) & known_I[item_R], item_R, NONE)
    own_R = agreeing(lists, item_E, list_R, item_R)
    others_R = num_known_D[list_R] - own_R
    product_R = _products(factors_IK, item_R, sum_DK, list_R) - own_R  # an item's product with itself is 1
    return np.where((item_R != NONE) & (others_R > 0), product_R / np.maximum(others_R, 1), 0.0)


def item_factors(has_UI: csr_array, num_factors: int) -> NDArray[np.float64]:
    """Factors (I, K) of length 1, or 0 for an item that no user has; fewer than users and items.

    ARPACK's, which converges: a sketch of a matrix with slowly falling singular values would depend on its draw.
    """
    num_items, smaller = has_UI.shape[1], min(has_UI.shape)
    if has_UI.nnz == 0 or smaller == 1:
        return np.zeros((num_items, 1))
    start = np.random.default_rng(SEED).random(smaller)
    _, value_K, direction_KI = svds(has_UI, min(num_factors, smaller - 1), v0=start)
    factors_IK = direction_KI.T * value_K
    length_I1 = np.linalg.norm(factors_IK, axis=1, keepdims=True)
    is_known_I1 = length_I1 > NOTHING * length_I1.max()
    return np.where(is_known_I1, factors_IK / np.where(is_known_I1, length_I1, 1.0), 0.0)


def _times(lists: DistinctLists, item_E: NDArray[np.int64], num_items: int) -> csr_array:
    """How often each list holds each item (D, I); entries that are none of the items are left out."""
    known_E = item_E != NONE
    places = (lists.list_of_entry[known_E], item_E[known_E])
    times_DI = csr_array((np.ones(places[0].size), places), shape=(lists.num_lists, num_items))
    times_DI.sum_duplicates()
    return times_DI


def _products(
    factors_IK: NDArray[np.float64], item_R: NDArray[np.int64], sum_DK: NDArray[np.float64], list_R: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Product of each row's item with the sum of its list's factors, by blocks that fit into memory."""
    blocks = [slice(start, start + ROWS_AT_ONCE) for start in range(0, item_R.size, ROWS_AT_ONCE)]
    products = (np.einsum("rk,rk->r", factors_IK[item_R[block]], sum_DK[list_R[block]]) for block in blocks)
    return np.concatenate([np.zeros(0), *products])
