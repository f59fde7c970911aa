"""Which images each rank evaluates: whole batches, so that the number of ranks changes no digit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from anomdet.data.draw import Draw
from anomdet.data.sampling.sampler import DrawSampler
from anomdet.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class WholeBatchSampler(DrawSampler):
    """Every image once, in order; rank r takes the batches r, r + world, ... of one process.

    A batch holds the same images whatever the number of ranks. A network's output for an image depends on the others in
    its batch: in the last digits by the kernels that libraries choose for a batch of that size, in more by the padding
    to the largest image.

    Args:
        dataset: anything with a length.
        batch_size: of the data loader.
        seed: of what a pipeline draws.
    """

    def __init__(self, dataset: Any, batch_size: int, seed: int | None = 0) -> None:
        super().__init__(dataset, shuffle=False, seed=seed, round_up=False)
        self.batch_size = batch_size

    def _positions(self) -> Iterator[int]:
        size, total = self.batch_size, len(self.dataset)
        for start in range(self.rank * size, total, self.world_size * size):
            yield from range(start, min(start + size, total))

    def __len__(self) -> int:
        """Images of this rank; 0 where there are fewer batches than ranks."""
        batches, rest = divmod(len(self.dataset), self.batch_size)
        own = len(range(self.rank, batches, self.world_size)) * self.batch_size
        return own + (rest if batches % self.world_size == self.rank else 0)

    def __iter__(self) -> Iterator[int]:
        for position in self._positions():
            yield Draw(position, self.seed, self.epoch, position)
