"""One draw of one image in one epoch: what a sampler yields, and the root of that sample's randomness."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


class Draw(int):
    """The index of an image in its data set, which knows where in the training it was drawn.

    It is an ``int``, so that it passes through any batch sampler, ``DataLoader`` and ``Dataset`` unnoticed. Its random
    stream depends on (seed, epoch, position) alone, never on the worker or rank that handles it.

    Args:
        index: position in the data set.
        seed: of the run, >= 0.
        epoch: >= 0.
        position: number of this draw in the epoch, counted over all ranks.
    """

    seed: int
    epoch: int
    position: int

    def __new__(cls, index: int, seed: int = 0, epoch: int = 0, position: int = 0) -> Draw:
        self = super().__new__(cls, index)
        self.seed = seed
        self.epoch = epoch
        self.position = position
        return self

    def __reduce__(self) -> tuple:
        return Draw, (int(self), self.seed, self.epoch, self.position)

    def __repr__(self) -> str:
        return f"Draw({int(self)}, seed={self.seed}, epoch={self.epoch}, position={self.position})"

    def seed_sequence(self, *stream: int) -> np.random.SeedSequence:
        """Entropy of this draw; each ``stream`` of small integers is independent of the others."""
        entropy = (self.seed & 0xFFFFFFFF, self.epoch, self.position, self.seed >> 32)  # a long seed shifts no word
        return np.random.SeedSequence(entropy, spawn_key=stream)

    def rng(self, *stream: int) -> np.random.Generator:
        """A fresh generator of this draw, the same at each call; a ``stream`` apart for each purpose."""
        return np.random.Generator(np.random.PCG64(self.seed_sequence(*stream)))


def draw_of(results: dict[str, Any]) -> Draw:
    """The draw that a pipeline's results carry.

    Without one, as behind a wrapper such as MultiImageMixDataset or in someone else's data set, one from np.random.
    """
    draw = results.get("draw")
    return draw if isinstance(draw, Draw) else Draw(0, seed=int(np.random.randint(2**31)))


# Of the streams of a draw; augment.py has 1, sampler.py 2, tiles/index.py 3, copy_paste.py 4, mosaic.py 5 and 6.
_GLOBAL_STREAM = 0
_SPARE_GENERATOR = np.random.MT19937(0)


@contextmanager
def global_streams(draw: Draw) -> Iterator[None]:
    """Seed ``random`` and ``np.random`` from the draw, for MMDetection's own transforms; then put them back.

    np.random's generator is exchanged, a hundred times as fast as copying its state; only a normal deviate that it had
    in store is lost.
    """
    words = draw.seed_sequence(_GLOBAL_STREAM).generate_state(4)
    python_state = random.getstate()
    numpy_generator = np.random.get_bit_generator()  # type: ignore[attr-defined]
    nested = numpy_generator is _SPARE_GENERATOR
    np.random.set_bit_generator(np.random.MT19937(0) if nested else _SPARE_GENERATOR)  # type: ignore[attr-defined]
    np.random.seed(words)
    random.seed(int.from_bytes(words.tobytes(), "little"))
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_bit_generator(numpy_generator)  # type: ignore[attr-defined]
