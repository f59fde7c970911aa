"""``meta`` of a checkpoint: what it says of its training, typed and checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

from anomdet.fields import (
    WrongValueError,
    checked,
    class_number,
    from_mapping,
    integer,
    mapping,
    nested,
    optional,
    plain,
    sentence,
    several,
    text,
)

_COUNT = checked("an integer >= 0", partial(integer, least=0, most=2**62))
_COUNT_OR_NONE = checked("an integer >= 0, or null", optional(partial(integer, least=0, most=2**62)))
# A threshold for each class stands under the class's number.
_PLAIN_OR_NONE = checked("plain containers, or null", optional(partial(plain, keys=(str, int))))


@dataclass(frozen=True)
class Classes:
    """``dataset_meta``; other data sets than ours name no numbers.

    Args:
        class_nums: the user's numbers, in the order of the network's outputs.
        classes: their names.
    """

    class_nums: tuple[int, ...] = field(default=(), metadata=checked("a list of integers", several(class_number)))
    classes: tuple[str, ...] = field(default=(), metadata=checked("a list of names", several(text)))

    def __post_init__(self) -> None:
        if self.class_nums and len(self.class_nums) != len(self.classes):
            raise WrongValueError("one name for each class number", self.classes, ".classes")

    @property
    def names(self) -> dict[int, str]:
        """Class number to name; empty where the numbers are not known."""
        return dict(zip(self.class_nums, self.classes, strict=False))


@dataclass(frozen=True)
class Best:
    """The best validation so far: the monitored score, its epoch (0: none yet), and what is monitored."""

    score: float = field(metadata=checked("a number", lambda value: _any_number(value)))
    epoch: int = field(metadata=_COUNT)
    monitor: str = field(metadata=checked("text", text))


@dataclass(frozen=True)
class Meta:
    """What a checkpoint says of its training; a file of MMEngine says less, and other things, which are ignored.

    Args:
        epoch, batch, iter: see :class:`anomdet.engine.checkpoint.Progress`.
        draws: of all processes in the epoch under way; None: not known.
        world_size: processes of the training.
        images_a_step: of all processes; None: not known.
        seed: of the training.
        cfg: its config as Python.
        dataset_meta: the classes.
        split_hashes: split to a hash over its images' names.
        best: None: no validation yet.
        operating_point: ``point`` and ``criterion``, as the validation chose it.
        inference: the document of the detector, :class:`anomdet.inference.artifact.Artifact`; None: it has none.
    """

    epoch: int = field(default=0, metadata=_COUNT)
    batch: int = field(default=0, metadata=_COUNT)
    iter: int = field(default=0, metadata=_COUNT)
    draws: int | None = field(default=None, metadata=_COUNT_OR_NONE)
    world_size: int = field(default=1, metadata=checked("an integer >= 1", partial(integer, least=1)))
    images_a_step: int | None = field(
        default=None, metadata=checked("an integer >= 1, or null", optional(partial(integer, least=1)))
    )
    seed: int | None = field(default=None, metadata=_COUNT_OR_NONE)
    cfg: str = field(default="", metadata=checked("text", sentence))
    dataset_meta: Classes = field(default_factory=Classes, metadata=nested(Classes))
    split_hashes: dict[str, str] = field(
        default_factory=dict, metadata=checked("a mapping of text to text", mapping(text, text))
    )
    best: Best | None = field(default=None, metadata=nested(Best, optional=True))
    operating_point: dict[str, Any] | None = field(default=None, metadata=_PLAIN_OR_NONE)
    inference: dict[str, Any] | None = field(default=None, metadata=_PLAIN_OR_NONE)

    @classmethod
    def of(cls, checkpoint: dict[str, Any], where: str) -> Meta:
        """What a loaded checkpoint says; all of it left out where it has no ``meta``.

        Raises:
            UserError: every value that is of another kind.
        """
        meta = checkpoint.get("meta") or {}
        if isinstance(meta, dict):
            meta = {key: value for key, value in meta.items() if value is not None}
        return from_mapping(cls, meta, f"{where}: meta", ignore_unknown=True)


def _any_number(value: Any) -> float:
    """Not finite where no validation was a number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(value)
    return float(value)
