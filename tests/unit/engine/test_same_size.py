"""Images of one padded size are predicted together, and no others."""

import torch
from torch import nn

from anomdet.engine.loops import predict
from anomdet.engine.same_size import in_order, padding_multiple, parts_of_one_size


def batch_of(*sizes_hw):
    return {"inputs": [torch.zeros(3, *size) for size in sizes_hw], "data_samples": list(sizes_hw)}


def test_a_part_for_each_padded_size():
    parts = parts_of_one_size(batch_of((64, 64), (64, 32), (33, 64), (60, 31)), 32)
    assert [(positions, part["data_samples"]) for positions, part in parts] == [
        ([0, 2], [(64, 64), (33, 64)]),
        ([1, 3], [(64, 32), (60, 31)]),
    ]
    assert [len(part["inputs"]) for _, part in parts] == [2, 2]


def test_a_batch_of_one_size_is_not_touched():
    batch = batch_of((64, 64), (50, 40))
    assert parts_of_one_size(batch, 32)[0][1] is batch


def test_a_batch_of_another_kind_is_not_touched():
    batch = {"inputs": torch.zeros(2, 3, 8, 8), "data_samples": [1, 2]}
    assert parts_of_one_size(batch, 32)[0][1] is batch
    assert predict(lambda part: part["data_samples"], nn.Module(), batch) == [1, 2]


def test_results_come_in_the_order_of_the_batch():
    model = nn.Module()
    model.data_preprocessor = nn.Module()
    model.data_preprocessor.pad_size_divisor = 32
    steps = []

    def step(part):
        steps.append(len(part["inputs"]))
        return part["data_samples"]

    sizes = [(64, 64), (64, 32), (33, 64), (32, 32)]
    assert predict(step, model, batch_of(*sizes)) == sizes
    assert steps == [2, 1, 1]
    assert in_order([([], ["only"])]) == ["only"]


def test_the_multiple_is_the_models_own():
    inner = nn.Module()
    inner.data_preprocessor = nn.Module()
    inner.data_preprocessor.pad_size_divisor = 16
    wrapped = nn.Module()
    wrapped.module = inner
    assert padding_multiple(wrapped) == padding_multiple(inner) == 16
    assert padding_multiple(nn.Module()) == 1
