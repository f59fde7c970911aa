"""``anomdet weights``: a model's COCO weights, fetched and verified, or brought to a machine without a network."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from anomdet.config.preset_facts import FACTS
from anomdet.config.presets import coco_weights
from anomdet.config.problems import did_you_mean, nearest
from anomdet.errors import Problem, UserError
from anomdet.file_hash import sha256
from anomdet.outputs import atomic_write


@dataclass(frozen=True)
class Brought:
    """Weights in torch's cache, and what to do with them, for a person."""

    path: Path
    text: str


def bring_weights(name: str, file: str | os.PathLike[str] | None = None) -> Brought:
    """Put the weights that ``model.pretrained: true`` starts from where the training looks for them.

    Args:
        name: of a model, as in ``anomdet config --presets``.
        file: them, fetched on another machine; None: they are fetched here, unless they are in the cache.

    Raises:
        UserError: no such model, or none with COCO weights; no network; or a file that is not these weights: its sha256
            does not begin as their published name says, or it holds more than weights.

    >>> bring_weights("rtmdet_tiny")  # doctest: +SKIP
    """
    address = _address(name)
    from anomdet.engine.checkpoint import load_checkpoint
    from anomdet.engine.weights import fetch, hash_in, place_of

    source = fetch(address) if file is None else Path(file).expanduser()
    if not source.is_file():
        raise UserError(Problem("--file", "a file of weights", f"no file {source}"))
    digest, start = sha256(source), hash_in(Path(address).name) or ""
    if not digest.startswith(start):
        hint = "fetch it again" if file is not None else f"remove {source}, and fetch it again"
        expected = f"the weights of {address}, whose sha256 begins with {start}"
        raise UserError(Problem(str(source), expected, digest[: len(start)], hint))
    load_checkpoint(source)
    target = source
    if file is not None:
        target = place_of(address)
        target.parent.mkdir(parents=True, exist_ok=True)
        with source.open("rb") as given, atomic_write(target) as out:
            shutil.copyfileobj(given, out)
    text = (
        f"{name}: {target.stat().st_size / 1e6:.1f} MB, sha256 {digest}, from {address}\nin {target}\n"
        f"training starts from them: model.name={name} model.pretrained=true\n"
        f"on a machine without a network: copy the file there, and run anomdet weights {name} --file FILE"
    )
    return Brought(target, text)


def _address(name: str) -> str:
    known = [one for one, facts in FACTS.items() if facts.coco_weights]
    address = coco_weights(name) if name in known else None
    if address is None:
        near = nearest(name, known)
        hint = did_you_mean(near) if near else "anomdet config --presets lists them"
        raise UserError(Problem("NAME", f"a model that has COCO weights: {', '.join(known)}", repr(name), hint))
    return address
