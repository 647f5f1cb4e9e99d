"""Similarity of a row's item and the entries of its list, from the users whose lists hold both.

The factors of an item are its row in a truncated SVD of the 0/1 matrix of users and the items of
their lists, scaled to length 1. The similarity is the mean product with the factors of the list's
entries, leaving out the item itself.

Shape legend: R rows, D distinct lists, E entries of all distinct lists, U users, I items that occur
in lists, K factors, B rows of a block, S the smaller and L the larger of users and items.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator, eigsh

from hinet_search.data.lists import NONE, AgreeingEntries, DistinctLists, codes_of, distinct_values

SEED = 0
ROUNDING = 1e-8  # factors this far below the largest are rounding errors
ROWS_AT_ONCE = 2**16


@dataclass(frozen=True)
class ItemFactors:
    """Items in order with their factors; factors are 0 for an item that no user has."""

    items_I: pl.Series
    factors_IK: NDArray[np.float64]


def factors_of(lists: DistinctLists, list_U: NDArray[np.int64], num_factors: int) -> ItemFactors:
    """Factors of all items of `lists`, computed from the list numbers of users, `list_U`."""
    items_I = distinct_values(lists.entries_E)
    if items_I.is_empty():
        return ItemFactors(items_I, np.zeros((0, 1)))
    item_E = codes_of(lists.entries_E, items_I)
    times_DI = _times(AgreeingEntries.of(lists, item_E, len(items_I)), lists.num_lists)
    return ItemFactors(
        items_I, item_factors((times_DI[list_U] > 0).astype(np.float64), num_factors)
    )


@dataclass(frozen=True)
class ListSimilarity:
    """Similarities of items to lists: what is computed once of all lists.

    `known_I` says which items have factors, `sum_DK` are the factors of a list's items in all, and
    `num_known_D` how many of its entries have factors.
    """

    factors: ItemFactors
    known_I: NDArray[np.bool_]
    sum_DK: NDArray[np.float64]
    num_known_D: NDArray[np.float64]
    entries: AgreeingEntries  # by item

    @staticmethod
    def of(factors: ItemFactors, lists: DistinctLists) -> "ListSimilarity":
        """Sum up the factors of every list."""
        item_E = codes_of(lists.entries_E, factors.items_I)
        known_I = (factors.factors_IK != 0).any(axis=1)
        entries = AgreeingEntries.of(lists, item_E, len(factors.items_I))
        times_DI = _times(entries, lists.num_lists)
        sum_DK = times_DI @ factors.factors_IK
        num_known_D = times_DI @ known_I.astype(np.float64)
        return ListSimilarity(factors, known_I, sum_DK, num_known_D, entries)

    def of_rows(self, list_R: NDArray[np.int64], item_R: NDArray[np.int64]) -> NDArray[np.float64]:
        """Similarity of each row's item, or NONE, to its list, in -1 to 1 (R,).

        0 for an item without factors, and for a list without any other item that has factors.
        """
        if self.factors.items_I.is_empty():
            return np.zeros(list_R.size)
        item_R = np.where((item_R != NONE) & self.known_I[item_R], item_R, NONE)
        own_R = self.entries.count(list_R, item_R)
        others_R = self.num_known_D[list_R] - own_R
        product_R = _products(self.factors.factors_IK, item_R, self.sum_DK, list_R)
        product_R -= own_R  # an item's product with itself is 1
        return np.where((item_R != NONE) & (others_R > 0), product_R / np.maximum(others_R, 1), 0.0)


def item_factors(has_UI: csr_array, num_factors: int) -> NDArray[np.float64]:
    """Factors (I, K) of length 1, or 0 for an item that no user has; K < min(users, items).

    ARPACK iterates to convergence; a randomised sketch would depend on its draw where singular
    values fall slowly. ARPACK draws vectors where it meets an invariant subspace. They come from a
    seeded generator, so that the same matrix has the same factors; SciPy's `svds` leaves that
    generator unseeded.
    """
    num_items = has_UI.shape[1]
    smaller = min(has_UI.shape)
    if has_UI.nnz == 0 or smaller == 1:
        return np.zeros((num_items, 1))
    generator = np.random.default_rng(SEED)
    tall_LS = has_UI
    if num_items > smaller:
        tall_LS = has_UI.T.tocsr()
    gram_SS = LinearOperator(
        (smaller, smaller), matvec=lambda x_S: tall_LS.T @ (tall_LS @ x_S), dtype=np.float64
    )
    start_S = generator.random(smaller)
    _, vector_SK = eigsh(gram_SS, min(num_factors, smaller - 1), v0=start_S, rng=generator)
    basis_SK, _ = np.linalg.qr(vector_SK)  # for clustered values they are not quite orthogonal
    of_rows_LK, value_K, rotation_KK = np.linalg.svd(tall_LS @ basis_SK, full_matrices=False)
    direction_IK = of_rows_LK
    if num_items == smaller:
        direction_IK = basis_SK @ rotation_KK.T
    factors_IK = direction_IK[:, ::-1] * value_K[::-1]
    length_I1 = np.linalg.norm(factors_IK, axis=1, keepdims=True)
    is_known_I1 = length_I1 > ROUNDING * length_I1.max()
    return np.where(is_known_I1, factors_IK / np.where(is_known_I1, length_I1, 1.0), 0.0)


def _times(entries: AgreeingEntries, num_lists: int) -> csr_array:
    """How often each list holds each item (D, I)."""
    list_P, item_P = np.divmod(entries.pair_P, max(entries.num_codes, 1))
    starts = np.searchsorted(list_P, np.arange(num_lists + 1))
    shape = (num_lists, entries.num_codes)
    return csr_array((entries.count_P.astype(np.float64), item_P, starts), shape=shape)


def _products(
    factors_IK: NDArray[np.float64],
    item_R: NDArray[np.int64],
    sum_DK: NDArray[np.float64],
    list_R: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Product of each row's item with the sum of its list's factors, in blocks to save memory."""
    product_R = np.zeros(item_R.size)
    for start in range(0, item_R.size, ROWS_AT_ONCE):
        block = slice(start, start + ROWS_AT_ONCE)
        factors_BK = factors_IK[item_R[block]]
        sum_BK = sum_DK[list_R[block]]
        product_R[block] = np.einsum("rk,rk->r", factors_BK, sum_BK)
    return product_R
