"""``data.bit_depth: auto`` to a number, before a run; all that reads images of the run uses the same one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomdet.defaults import BIT_DEPTHS
from anomdet.errors import Problem, UserError
from anomdet.layout import IMAGES_DIR

if TYPE_CHECKING:
    from anomdet.config.schema import Settings
    from anomdet.data.bit_depth import BitsUsed
    from anomdet.data.index.scan import DataIndex

AUTO = "auto"
_LOAD = "anomdet.LoadInspectionImage"
_LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")


def resolve_bit_depth(config: Any, index: DataIndex | None) -> None:
    """Put the bits that the data uses in the place of ``auto``, and what they rest on into ``config.bits_used``.

    Args:
        config: complete but for that.
        index: of the whole data set; None: it is not ours, and 16 bit images are taken to use all of them.
    """
    steps = [step for step in _load_steps(config) if step.get("bit_depth") == AUTO]
    if not steps:
        return
    from anomdet.data.bit_depth import BitsUsed

    used = BitsUsed() if index is None else bits_of(index, steps[0].get("max_megapixels"))
    for step in steps:
        step.bit_depth = used.bits
    config.bits_used = asdict(used)


def take_bit_depth(config: Any, known: int | None, path: Path) -> None:
    """Evaluate with the bits of the training, whatever the images of another data set use.

    Args:
        config: of the evaluation; ``auto`` gives way.
        known: of the checkpoint; None: an older one, which does not say it.
        path: of the checkpoint.

    Raises:
        UserError: the settings name another number.
    """
    for step in _load_steps(config) if known is not None else ():
        if step.get("bit_depth", known) not in (AUTO, known):
            hint = "leave it auto: the checkpoint knows it"
            raise UserError(Problem("data.bit_depth", f"{known}, as {path} was trained", str(step.bit_depth), hint))
        step.bit_depth = known


def known_bits(document: Mapping[str, Any] | None) -> int | None:
    """Of a checkpoint's document; None: it has none, or one that does not say it."""
    given = document.get("preprocessing") if document else None
    known = given.get("bit_depth") if isinstance(given, Mapping) else None
    return known if known in BIT_DEPTHS else None


def bits_of(index: DataIndex, max_megapixels: float | None) -> BitsUsed:
    """What the images of 16 bit of a data set use."""
    import numpy as np

    from anomdet.data.bit_depth import FULL, bits_used

    wide = np.flatnonzero(index.columns.bit_depths == FULL)
    names = [index.columns.file_name(at) for at in wide.tolist()]
    return bits_used(Path(index.data_dir) / IMAGES_DIR, names, max_megapixels=max_megapixels)


def bits_in(images_dir: Path, names: Iterable[str], max_megapixels: float | None) -> int:
    """What the images of 16 bit among some files use, as a data set's; 16 where there are none or none can be read."""
    from anomdet.data.bit_depth import FULL, bits_used
    from anomdet.images.headers import BadImageError
    from anomdet.images.read_header import header_of

    wide = []
    for name in sorted(set(names)):
        with contextlib.suppress(BadImageError):
            if header_of(str(images_dir / name)).bit_depth == FULL:
                wide.append(name)
    return bits_used(images_dir, wide, max_megapixels=max_megapixels).bits


def bit_depth_of(config: Any) -> int:
    """Of a complete config; 16 where no step says it."""
    return next((int(step.bit_depth) for step in _load_steps(config) if "bit_depth" in step), 16)


def note_on_bits(config: Any) -> str:
    """For the log; empty where there is nothing to say."""
    from anomdet.data.bit_depth import BitsUsed

    return BitsUsed(**config.bits_used).sentence() if config.get("bits_used") else ""


def with_bit_depth(settings: Settings, config: Any) -> Settings:
    """The settings with the number that a complete config has in the place of ``auto``."""
    if settings.data.bit_depth != AUTO:
        return settings
    data = settings.data.model_copy(update={"bit_depth": bit_depth_of(config)})
    return settings.model_copy(update={"data": data})


def _load_steps(config: Any) -> Iterator[Any]:
    for name in _LOADERS:
        yield from (step for step in config[name].dataset.get("pipeline", ()) if step.get("type") == _LOAD)
