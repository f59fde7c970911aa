"""Many positions in little room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Positions(Sequence[int]):
    """A tuple of integers in four bytes each, where a tuple takes forty-four; equal to that tuple.

    Args:
        values: below 2^31.
    """

    def __init__(self, values: NDArray[np.integer] | Sequence[int]) -> None:
        self._values: NDArray[np.int32] = np.array(values, dtype=np.int32)
        self._values.flags.writeable = False

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, at: Any) -> Any:
        return Positions(self._values[at]) if isinstance(at, slice) else int(self._values[at])

    def __iter__(self) -> Any:
        return iter(self._values.tolist())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray:
        return np.array(self._values, dtype=dtype) if copy else np.asarray(self._values, dtype=dtype)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (Positions, tuple)):
            return NotImplemented
        return len(self) == len(other) and bool((self._values == np.asarray(other)).all())

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __radd__(self, other: tuple) -> tuple:
        return (*other, *self)

    def __repr__(self) -> str:
        return f"Positions({self._values!r})"
