"""Evaluation batches are the same for any number of ranks."""

from __future__ import annotations

import pytest
from torch.utils.data import DataLoader

from anomdet.data.sampling import sampler as sampler_module
from anomdet.data.sampling.whole_batches import WholeBatchSampler


@pytest.mark.parametrize("batch_size", [1, 2, 4, 40])
@pytest.mark.parametrize("num_images", [1, 7, 8, 33])
@pytest.mark.parametrize("world_size", [1, 2, 3, 5])
def test_the_batches_are_those_of_one_process(monkeypatch, world_size, num_images, batch_size):
    data = list(range(num_images))
    shares = []
    for rank in range(world_size):
        monkeypatch.setattr(sampler_module, "get_dist_info", lambda rank=rank: (rank, world_size))
        sampler = WholeBatchSampler(data, batch_size)
        loader = DataLoader(data, batch_size=batch_size, sampler=sampler, collate_fn=list)
        shares.append([[int(image) for image in batch] for batch in loader])
        assert len(sampler) == sum(map(len, shares[-1])) and len(loader) == len(shares[-1])
    alone = [data[start : start + batch_size] for start in range(0, num_images, batch_size)]
    assert sorted(batch for share in shares for batch in share) == alone
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
