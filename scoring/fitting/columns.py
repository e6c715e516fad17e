"""A matrix of signals in little room: a column each, in as few bits as lose nothing, and rows chosen without a copy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.fitting.measures import Floats

Column = NDArray[Any] | None
"""None: missing in every row."""


def small(column: Floats) -> Column:
    """In 32 bits where not a bit is lost by it."""
    if np.isnan(column).all():
        return None
    half = column.astype(np.float32)
    return half if np.array_equal(half, column, equal_nan=True) else column.copy()


def joined(parts: Sequence[Column], sizes: Sequence[int]) -> Column:
    """Parts of one column below each other; `sizes`: their rows."""
    if all(part is None for part in parts):
        return None
    kind = np.float64 if any(p is not None and p.dtype == np.float64 for p in parts) else np.float32
    return np.concatenate(
        [np.full(n, np.nan, kind) if p is None else p for p, n in zip(parts, sizes, strict=True)], dtype=kind
    )


class Columns:
    """Reads like a matrix (rows, columns) of floats; `[:, n]` is a column, `[rows]` a choice of rows that shares it."""

    def __init__(self, columns: Sequence[Column], rows: int, chosen: NDArray[np.int32] | None = None) -> None:
        self._columns, self._rows, self._chosen = list(columns), rows, chosen
        self.shape = (rows if chosen is None else int(chosen.size), len(self._columns))

    def column(self, number: int) -> Floats:
        column = self._columns[number]
        if column is None:
            return np.full(self.shape[0], np.nan)
        return (column if self._chosen is None else column[self._chosen]).astype(np.float64)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, tuple):
            rows, numbers = place
            some = self if isinstance(rows, slice) and rows == slice(None) else self[rows]
            if np.ndim(numbers) == 0:
                return some.column(int(numbers))
            return np.column_stack([some.column(int(n)) for n in numbers])
        places = np.arange(self.shape[0], dtype=np.int32)[place]
        return Columns(self._columns, self._rows, places if self._chosen is None else self._chosen[places])

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        found = np.empty(self.shape)
        for number in range(self.shape[1]):
            found[:, number] = self.column(number)
        return found if dtype is None else found.astype(dtype)

    def copy(self) -> Floats:
        """As a plain matrix."""
        return np.asarray(self)
