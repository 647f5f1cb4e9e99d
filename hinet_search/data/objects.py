"""Objects: a column of objects becomes a column for each of their fields, such as `user.id`."""

from collections import Counter

import polars as pl
import polars.selectors as cs

from hinet_search.common.errors import DataError
from hinet_search.data.raw_values import listed


def flattened(rows: pl.LazyFrame, where: str) -> pl.LazyFrame:
    """The rows with the fields of objects, and of objects in these, as columns.

    A field is null where its object is. Objects in lists stay. DataError where a column has the
    name of a field.
    """
    types = rows.clone().collect_schema()  # of a clone, for the reason that `scan` has
    objects = {name: of for name, of in types.items() if isinstance(of, pl.Struct)}
    if not objects:
        return rows
    names = Counter(types.keys() - objects.keys())
    for name, of in objects.items():
        names.update(f"{name}.{field.name}" for field in of.fields)
    repeated = [name for name, times in names.items() if times > 1]
    if repeated:
        raise DataError(
            f"{where}: fields of objects are columns, and every column must have a name of its "
            f"own, got more of {listed(repeated)}",
            remedy="rename the field or the column",
        )
    return flattened(rows.unnest(cs.by_name(*objects), separator="."), where)
