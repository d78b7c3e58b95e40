"""Put new fields into the Parquet columns of groups without rebuilding the rows: five times faster than records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_args

import numpy as np
import pyarrow as pa

from ratchet.artifacts.columns import arrow_type
from ratchet.records import Completion, Record

R = TypeVar("R", bound=Record)


def record_array(model: type[R], records: Sequence[R]) -> pa.StructArray:
    """Records as one struct column; tuples of records become lists of structs."""
    arrays = [
        _array(field.annotation, [getattr(r, name) for r in records]) for name, field in model.model_fields.items()
    ]
    return pa.StructArray.from_arrays(arrays, fields=list(arrow_type(model)))


def lists_array(model: type[R], lists: Sequence[Sequence[R]]) -> pa.ListArray:
    """A column of lists of records."""
    flat = record_array(model, [record for one in lists for record in one])
    return pa.ListArray.from_arrays(_offsets(lists), flat, type=pa.list_(arrow_type(model)))


def with_completion_fields(table: pa.Table, fields: Mapping[str, pa.Array]) -> pa.Table:
    """The groups with fields of their completions replaced; each array has one value per completion, in order."""
    column = _one_array(table.column("completions"))
    flat = column.flatten()
    kind = arrow_type(Completion)
    arrays = [fields.get(field.name, flat.field(i)) for i, field in enumerate(kind)]
    # list sizes, not offsets: those of a slice do not begin at zero.
    sizes = column.value_lengths().to_numpy(zero_copy_only=False)
    offsets = pa.array(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32))
    lists = pa.ListArray.from_arrays(
        offsets, pa.StructArray.from_arrays(arrays, fields=list(kind)), type=pa.list_(kind)
    )
    return with_column(table, "completions", lists)


def with_column(table: pa.Table, name: str, array: pa.Array) -> pa.Table:
    place = table.schema.get_field_index(name)
    return table.set_column(place, table.schema.field(place), array)


def _array(annotation: Any, values: list[Any]) -> pa.Array:
    kind = arrow_type(annotation)
    if pa.types.is_list(kind) and pa.types.is_struct(kind.value_type):
        return lists_array(get_args(annotation)[0], values)
    return pa.array(values, type=kind)


def _offsets(lists: Sequence[Sequence[Any]]) -> pa.Array:
    return pa.array(np.concatenate([[0], np.cumsum([len(one) for one in lists])]).astype(np.int32))


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    joined = column.combine_chunks()
    return joined.chunk(0) if isinstance(joined, pa.ChunkedArray) else joined
