"""Blocks: consecutive rows that are computed at once, so that memory holds no column of a table."""

from collections.abc import Iterator

BLOCK_ROWS = 2**19


def blocks_of(num_rows: int) -> Iterator[slice]:
    """Yield slices that cover the rows in order; an empty one if there are no rows."""
    for start in range(0, max(num_rows, 1), BLOCK_ROWS):
        yield slice(start, min(start + BLOCK_ROWS, num_rows))


def is_one_block(num_rows: int) -> bool:
    """Whether so many rows are computed at once."""
    return num_rows <= BLOCK_ROWS
