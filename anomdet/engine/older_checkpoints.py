"""Checkpoints of MMEngine, and ours of before they were plain: read with stand-ins for the few classes in them.

Their pickles name MMEngine's ``HistoryBuffer``, numpy's functions that rebuild arrays and numbers, and ``getattr``
(for the buffer's bound methods). None of these is handed to the unpickler. Each name gets a stand-in that keeps the
known fields as data, checks them, and has no way to anything else: ``getattr`` becomes a function that returns None.
"""

from __future__ import annotations

import io
from contextvars import ContextVar
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anomdet.engine.plain_state import check_extent

_NUMBERS = {f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)} | {"b1", "f2", "f4", "f8"}
_ORDERS = {"<", ">", "|", "="}
_DTYPE_CLASSES = ("UInt32DType", "Float64DType", "Int64DType", "Float32DType", "Int32DType")
_room_bytes: ContextVar[list[int]] = ContextVar("room_bytes")  # of all arrays together: no more than the file has


class WrongContentError(ValueError):
    """A stand-in was given what the class that it stands for never holds."""


class _Dtype:
    """For ``numpy.dtype``: a number's kind and byte order."""

    __slots__ = ("kind", "order")

    def __init__(self, kind: Any, *_: Any) -> None:
        if kind not in _NUMBERS:
            raise WrongContentError(f"numpy's type {kind!r}")
        self.kind, self.order = kind, "="

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 2 or state[1] not in _ORDERS:
            raise WrongContentError("a number's byte order")
        self.order = state[1]

    def read(self, data: Any) -> NDArray[Any]:
        raw = data.encode("latin1") if isinstance(data, str) else data
        if not isinstance(raw, bytes):
            raise WrongContentError("a number's bytes")
        room = _room_bytes.get()
        room[0] -= len(raw)
        if room[0] < 0:
            raise WrongContentError("the same bytes in many arrays")
        dtype = np.dtype(self.kind).newbyteorder(self.order)
        return np.frombuffer(raw, dtype).astype(dtype.newbyteorder("="))


class _Array:
    """For ``numpy.ndarray``: of numbers; empty until its state comes."""

    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values: NDArray[Any] = np.zeros(0)

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5 or not isinstance(state[2], _Dtype):
            raise WrongContentError("an array of numbers")
        _, shape, dtype, fortran, data = state
        self.values = dtype.read(data).reshape(shape, order="F" if fortran else "C")


def _reconstruct(kind: Any, *_: Any) -> _Array:
    if kind is not _Array:
        raise WrongContentError("an array of another kind")
    return _Array()


def _scalar(dtype: Any, data: Any) -> Any:
    if not isinstance(dtype, _Dtype) or len(values := dtype.read(data)) != 1:
        raise WrongContentError("one number")
    return values[0].item()


class _History:
    """For MMEngine's ``HistoryBuffer``: its three fields; its methods are dropped."""

    __slots__ = ("count", "log", "max_length")

    def __init__(self) -> None:
        self.log, self.count, self.max_length = _Array(), _Array(), 0

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise WrongContentError("a history's fields")
        log, count, longest = (state.get(key) for key in ("_log_history", "_count_history", "max_length"))
        if not isinstance(log, _Array) or not isinstance(count, _Array) or not isinstance(longest, int):
            raise WrongContentError("a history's fields")
        self.log, self.count, self.max_length = log, count, longest


def _no_attribute(*_: Any) -> None:
    """For ``getattr``: MMEngine's pickles want a buffer's bound methods, which nobody needs."""


class _Slice:
    """For ``slice``, which MMEngine's list has; nothing of ours holds one."""

    __slots__ = ()

    def __init__(self, *_: Any) -> None:
        raise WrongContentError("a slice")


_CORE = ("numpy.core.multiarray", "numpy._core.multiarray")
_STAND_INS: list[tuple[Any, str]] = [
    (_History, "mmengine.logging.history_buffer.HistoryBuffer"),
    (_Array, "numpy.ndarray"),
    (_Dtype, "numpy.dtype"),
    *((_reconstruct, f"{core}._reconstruct") for core in _CORE),
    *((_scalar, f"{core}.scalar") for core in _CORE),
    *((_no_attribute, f"{module}.getattr") for module in ("builtins", "__builtin__")),
    *((_Slice, f"{module}.slice") for module in ("builtins", "__builtin__")),
]


def load_older(data: bytes, map_location: Any) -> Any:
    """The content of a file that names the classes above, everything plain.

    Raises:
        pickle.UnpicklingError: it names something else.
        WrongContentError: it holds something else.
    """
    _room_bytes.set([len(data)])
    with torch.serialization.safe_globals(_STAND_INS):
        loaded = torch.load(io.BytesIO(data), map_location=map_location, weights_only=True)
    check_extent(loaded)
    return _plain(loaded)


def _plain(value: Any) -> Any:
    if isinstance(value, _History):
        log, count = value.log.values, value.count.values
        return {
            "log_history": torch.from_numpy(log),
            "count_history": torch.from_numpy(count),
            "max_length": value.max_length,
        }
    if isinstance(value, _Array):
        return torch.from_numpy(value.values)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in dict.items(value)}
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(item) for item in value)
    return value
