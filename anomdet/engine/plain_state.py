"""The state of a run as plain containers, numbers and tensors: what torch loads without any further class.

MMEngine's history of losses is a class of its own that holds numpy arrays and bound methods: to load one, its list of
allowed names has Python's ``getattr``, with which a file can reach anything. As tensors it needs no name at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

from anomdet.addresses import without_secrets
from anomdet.engine.archive import BadArchiveError
from anomdet.errors import Problem, UserError

_PLAIN = (bool, int, float, type(None), torch.Tensor, torch.Size, torch.dtype, torch.device)
_LOG, _COUNT, _MAX = "log_history", "count_history", "max_length"
_MAX_VALUES = 2**20  # of a large run: 20,000
_MAX_REPEATED_BYTES = 2**26  # of tensors that repeat their numbers, as expand() makes them


def to_plain(value: Any, place: str, left_out: list[str]) -> Any:
    """A copy of nested containers in which everything is of a type that ``torch.load(weights_only=True)`` knows.

    Tensors are not copied. Numpy's numbers become Python's, its arrays tensors, MMEngine's history a dict; addresses
    lose what may be a secret.

    Args:
        place: where the value stands, for ``left_out``.
        left_out: gets the places of what cannot be kept.
    """
    if type(value) in _PLAIN or isinstance(value, torch.Tensor):
        return value
    if isinstance(value, str):
        return without_secrets(str(value)) if "://" in value else str(value)
    if isinstance(value, HistoryBuffer):
        log, count = value.data
        return {
            _LOG: torch.from_numpy(np.array(log)),
            _COUNT: torch.from_numpy(np.array(count)),
            _MAX: value.max_length,
        }
    if isinstance(value, np.generic):
        return to_plain(value.item(), place, left_out)
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return torch.from_numpy(value.copy())
    if isinstance(value, Mapping):
        found = {key: to_plain(item, f"{place}.{key}", left_out) for key, item in value.items() if _is_key(key)}
        return {key: item for key, item in found.items() if item is not _LEFT_OUT}
    if isinstance(value, (list, tuple)):
        items = [to_plain(item, f"{place}[{at}]", left_out) for at, item in enumerate(value)]
        items = [None if item is _LEFT_OUT else item for item in items]
        return items if isinstance(value, list) else tuple(items)
    left_out.append(f"{place} ({type(value).__name__})")
    return _LEFT_OUT


_LEFT_OUT = object()


def _is_key(key: Any) -> bool:
    return isinstance(key, (str, int, float, bool, tuple, type(None)))


def check_extent(value: Any) -> None:
    """Refuse what is small in a file and endless outside: containers that hold one another many times over, tensors
    that repeat a few numbers.

    Args:
        value: what was loaded; nothing of it is copied.

    Raises:
        BadArchiveError: with what it is.
    """
    waiting, num_values, repeated = [value], 0, 0
    while waiting:
        one = waiting.pop()
        inside: Any = ()
        if isinstance(one, dict):
            inside = [*dict.keys(one), *dict.values(one)]
        elif isinstance(one, (list, tuple, set, frozenset)):
            inside = one
        elif isinstance(one, torch.Tensor) and one.layout == torch.strided and one.device.type != "meta":
            size = one.numel() * one.element_size()
            repeated += size if size > one.untyped_storage().nbytes() else 0
        num_values += len(inside)
        if num_values > _MAX_VALUES:
            raise BadArchiveError(f"containers that unfold to more than {_MAX_VALUES:,} values")
        if repeated > _MAX_REPEATED_BYTES:
            raise BadArchiveError(f"tensors that repeat a few numbers over more than {_MAX_REPEATED_BYTES >> 20} MB")
        waiting.extend(inside)


def only_plain(value: Any) -> Any:
    """What was loaded, with exact dicts and lists in place of classes derived from them.

    Raises:
        TypeError: something else is in it, a function for example.
    """
    if isinstance(value, dict):
        return {key: only_plain(item) for key, item in dict.items(value)}
    if type(value) in (list, tuple):
        return type(value)(only_plain(item) for item in value)
    if type(value) in (*_PLAIN, str, bytes, complex) or type(value) is torch.nn.Parameter:
        return value.data if type(value) is torch.nn.Parameter else value
    if isinstance(value, (set, bytearray)):
        return value
    raise TypeError(f"{type(value).__name__} {getattr(value, '__name__', '')}".strip())


def history_from_plain(hub: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The state that MMEngine's message hub takes, from what :func:`to_plain` made of it.

    Raises:
        UserError: not such a state.
    """
    try:
        scalars = {str(name): _buffer(entry) for name, entry in hub["log_scalars"].items()}
        return {
            "log_scalars": scalars,
            "runtime_info": dict(hub["runtime_info"]),
            "resumed_keys": dict(hub["resumed_keys"]),
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        got = f"another content ({error})"
        raise UserError(Problem(f"{where}: message_hub", "the history of a run", got)) from error


def _buffer(entry: Mapping[str, Any]) -> HistoryBuffer:
    log, count = entry[_LOG].numpy(), entry[_COUNT].numpy()
    if log.ndim != 1 or log.shape != count.shape or log.dtype.kind != "f" or count.dtype.kind not in "iu":
        raise ValueError("a history that is no list of numbers")
    return HistoryBuffer(log.copy(), count.copy(), max_length=int(entry[_MAX]))
