"""Checkpoints: written atomically, and read with weights only, so that loading one never runs its code."""

from __future__ import annotations

import hashlib
import io
import pickle
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import nn

from anomdet.engine.archive import BadArchiveError, check_archive, check_pickle, is_archive
from anomdet.engine.checkpoint_meta import Meta
from anomdet.engine.older_checkpoints import load_older
from anomdet.engine.plain_state import check_extent, only_plain
from anomdet.errors import Problem, UserError, machine_limit
from anomdet.layout import BEST, LAST
from anomdet.outputs import atomic_write

_A_CHECKPOINT = "a checkpoint written by torch.save"
_HOLDERS = ("model_state_dict", "model")  # of PyTorch's tutorials; of Detectron2 and the DETRs
_PREFIXES = ("module.", "_orig_mod.", "model.")  # of DDP, torch.compile and Lightning
_SHOWN = 8  # names of weights in a line of the log
_DAMAGED = "a file of another kind or a damaged one"
_UNREADABLE = (
    *(RuntimeError, EOFError, ValueError, LookupError, TypeError, OSError, AttributeError),
    *(AssertionError, RecursionError, MemoryError, OverflowError, UnicodeError, SafetensorError, struct.error),
)


def save_atomically(checkpoint: dict[str, Any], path: Path) -> None:
    """Write beside the target, flush to the disk, then rename: a kill or a full disk leaves the old file whole.

    Raises:
        UserError: the disk is full or not writable.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            torch.save(checkpoint, file)
    except (OSError, RuntimeError) as error:
        if machine_limit(error):  # a loader's process died meanwhile; the disk has nothing to do with it
            raise
        hint = "free some space or set logging.checkpoint_dir; an earlier file is untouched"
        got = getattr(error, "strerror", None) or str(error)
        raise UserError(Problem(str(path), "room to write the checkpoint", got, hint)) from error


@dataclass(frozen=True)
class CheckpointFile:
    """A checkpoint as it was read, once.

    Args:
        path: of the file.
        content: its dict.
        sha256: of its bytes, in hex.
        meta: what it says of its training.
    """

    path: Path
    content: dict[str, Any]
    sha256: str
    meta: Meta


def read_checkpoint(path: str | Path, map_location: Any = "cpu") -> CheckpointFile:
    """As :func:`load_checkpoint`, with the hash of the file and its ``meta`` checked.

    Raises:
        UserError: as there; or ``meta`` holds what it should not.
    """
    path = Path(path).expanduser()
    data = _bytes_of(path)
    content = _content(data, path, map_location)
    return CheckpointFile(path, content, hashlib.sha256(data).hexdigest(), Meta.of(content, str(path)))


def load_checkpoint(path: str | Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Read a checkpoint of AnomDet or MMEngine, plain weights, or safetensors; nothing in it is executed.

    Records of its archive must have the sizes and the checksums that it says.

    Returns:
        The checkpoint's dict, of plain containers, numbers and tensors.

    Raises:
        UserError: no such file, not a checkpoint, cut short, damaged, or one that holds code.
    """
    path = Path(path).expanduser()
    return _content(_bytes_of(path), path, map_location)


def _bytes_of(path: Path) -> bytes:
    if not path.is_file():
        got = "a folder" if path.is_dir() else "nothing there" if not path.exists() else "no regular file"
        is_elsewhere = not (path.is_absolute() or path.exists())
        hint = "train first, or name another file"
        hint += f"; a path starts from the folder {Path.cwd()}" if is_elsewhere else ""
        last = path.with_name(LAST)
        if path.name == BEST and last.is_file():
            hint = f"no validation gave a value of training.monitor; give --checkpoint {last} for the last epoch"
        raise UserError(Problem(str(path), "a checkpoint file", got, hint))
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(Problem(str(path), _A_CHECKPOINT, f"a file that cannot be read ({error.strerror})")) from error


def _content(data: bytes, path: Path, map_location: Any) -> dict[str, Any]:
    try:
        if path.suffix == ".safetensors":
            return {"state_dict": load_safetensors(data)}
        if is_archive(data):
            check_archive(data)
        else:
            check_pickle(data, count=5)
        checkpoint = only_plain(_unpickled(data, map_location))
    except BadArchiveError as error:
        raise UserError(Problem(str(path), _A_CHECKPOINT, error.got, error.hint)) from error
    except pickle.UnpicklingError as error:
        raise UserError(_refused(path, error)) from error
    except _UNREADABLE as error:
        raise UserError(Problem(str(path), _A_CHECKPOINT, _DAMAGED)) from error
    if not isinstance(checkpoint, dict):
        raise UserError(Problem(str(path), "a dict of weights", type(checkpoint).__name__))
    return checkpoint


def _unpickled(data: bytes, map_location: Any) -> Any:
    """By torch's own list of names; where a file needs more, by the reader of older ones."""
    try:
        loaded = torch.load(io.BytesIO(data), map_location=map_location, weights_only=True)
        check_extent(loaded)
        return loaded
    except pickle.UnpicklingError as error:
        if "GLOBAL" not in str(error):
            raise
        refused = error
    try:
        return load_older(data, map_location)
    except (pickle.UnpicklingError, *_UNREADABLE) as error:
        raise (error if "GLOBAL" in str(error) else refused) from error


def _refused(path: Path, error: Exception) -> Problem:
    message = str(error)
    if "Unsupported global" in message or "GLOBAL" in message:
        name = message.split("GLOBAL ", 1)[-1].split(" ", 1)[0]
        return Problem(
            str(path), "weights only", f"the Python object {name}", "it was not loaded: such a file can run any code"
        )
    return Problem(str(path), _A_CHECKPOINT, _DAMAGED)


class Loaded(NamedTuple):
    """What :func:`load_weights` did: one line for the log, and whether most of the model's weights were there."""

    line: str
    are_most: bool = True


def load_weights(model: nn.Module, checkpoint: dict[str, Any], path: str | Path, *, strict: bool) -> Loaded:
    """Put a checkpoint's weights into a model.

    Args:
        model: not wrapped.
        checkpoint: with ``state_dict`` or another tool's name for it, or the weights themselves; what wrappers put
            before every name (DDP, torch.compile, Lightning) is left out.
        path: where it came from, for messages.
        strict: every weight must have its place; otherwise those of another shape or name are left out, as the
            classifier of COCO's 80 classes.

    Raises:
        UserError: the weights are not this model's.
    """
    own = model.state_dict()
    weights = _named_as(own, _stored(checkpoint, path))
    if not own:
        return Loaded(f"{path}: a model without weights")
    if not strict and not any(key in own for key in weights):  # of a bare backbone
        weights = {f"backbone.{key}": value for key, value in weights.items()}
    fitting = {key: value for key, value in weights.items() if key in own and _same_shape(own[key], value)}
    missing = [key for key in own if key not in fitting and not key.endswith("num_batches_tracked")]
    strange = [key for key in weights if key not in own]
    if not fitting or (strict and (missing or strange)):
        got = f"{len(fitting)} of {len(own)} weights that fit"
        example = next(iter(missing or strange), "")
        hint = f"for example {example!r} does not; give the config that it was trained with"
        raise UserError(Problem(str(path), "the weights of this model", got, hint))
    broken = [key for key, value in fitting.items() if not _is_finite(value) and _is_finite(own[key])]
    if broken:
        got = f"{len(broken)} weights that are not finite, {broken[0]!r} first"
        hint = "the training that wrote it diverged: take an earlier checkpoint, or a lower learning rate"
        raise UserError(Problem(str(path), "finite weights", got, hint))
    model.load_state_dict(fitting, strict=False)
    more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    note = f"; newly begun: {', '.join(missing[:_SHOWN])}{more}" if missing else ""
    are_most = len(fitting) >= len(own) / 2
    return Loaded(f"{'' if are_most else 'only '}{len(fitting)} of {len(own)} weights from {path}{note}", are_most)


def _stored(checkpoint: dict[str, Any], path: str | Path) -> dict[Any, Any]:
    """The weights of a checkpoint, by whatever name."""
    stored = checkpoint.get("state_dict")
    if stored is None:
        found = (checkpoint.get(name) for name in _HOLDERS)
        stored = next((one for one in found if isinstance(one, dict)), checkpoint)
    if not isinstance(stored, dict):
        raise UserError(Problem(f"{path}: state_dict", "a dict of weights", type(stored).__name__))
    return stored


def _named_as(own: dict[str, Any], stored: dict[Any, Any]) -> dict[str, Any]:
    """Without the prefixes of wrappers, as far as that is needed for any name to be the model's."""
    weights = {str(key).removeprefix("module."): value for key, value in stored.items()}
    while weights and not any(key in own for key in weights):
        prefix = next((one for one in _PREFIXES if 2 * sum(k.startswith(one) for k in weights) > len(weights)), None)
        if prefix is None:
            break
        weights = {key.removeprefix(prefix): value for key, value in weights.items()}
    return weights


def _same_shape(own: torch.Tensor, value: Any) -> bool:
    """Of the plain kind: no sparse, quantised or complex one, nor one without memory."""
    plain = isinstance(value, torch.Tensor) and value.layout == torch.strided and value.device.type != "meta"
    same_kind = plain and all(getattr(own, of)() == getattr(value, of)() for of in ("is_complex", "is_floating_point"))
    return same_kind and not value.is_quantized and own.shape == value.shape


def _is_finite(value: torch.Tensor) -> bool:
    """By the sum, which takes a sixth of the time; it may overflow where no weight is infinite."""
    if not value.is_floating_point() or bool(torch.isfinite(value.sum())):
        return True
    return bool(torch.isfinite(value).all())
