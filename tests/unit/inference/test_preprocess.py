"""An image is prepared as the evaluation's pipeline prepares it, bit for bit."""

import numpy as np
import pytest
import torch
from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmdet.registry import TRANSFORMS
from mmengine.registry import DefaultScope

from anomdet.inference.artifact import Preprocessing
from anomdet.inference.preprocess import Prepared, fit_inside, group_by_padded_size, stack

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
SIZES_HW = [(40, 60), (60, 40), (33, 97), (1, 200), (320, 320), (200, 1), (641, 479)]


def preprocessing(size_hw=(96, 128), multiple=32):
    return Preprocessing(size_hw=size_hw, mean=MEAN, std=STD, channel_order="rgb", pad_multiple=multiple)


def random_image(size_hw, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*size_hw, 3), dtype=np.uint8)


def prepared(image, how):
    return Prepared(fit_inside(image, how), image.shape[:2])


def as_evaluated(image, size_hw):
    """The evaluation's own steps, from decoded pixels on."""
    with DefaultScope.overwrite_default_scope("mmdet"):
        fit = TRANSFORMS.build({"type": "anomdet.FitInside", "size_hw": size_hw})
        pack = TRANSFORMS.build(
            {"type": "anomdet.PackInspectionInputs", "meta_keys": ("img_shape", "ori_shape", "scale_factor")}
        )
    shape = image.shape[:2]
    return pack.transform(fit.transform({"img": image, "img_shape": shape, "ori_shape": shape}))


@pytest.mark.parametrize("size_hw", SIZES_HW)
def test_as_the_evaluation(size_hw):
    image = random_image(size_hw)
    theirs = as_evaluated(image, (96, 128))
    batch = stack([prepared(image, preprocessing())], 32)
    height, width = batch.sizes_hw[0]
    np.testing.assert_array_equal(batch.images[0, :height, :width].transpose(2, 0, 1), theirs["inputs"].numpy())
    meta = theirs["data_samples"].metainfo
    assert (height, width) == tuple(meta["img_shape"])
    assert tuple(batch.original_hw[0]) == meta["ori_shape"]
    assert tuple(batch.scales_wh[0].tolist()) == tuple(meta["scale_factor"])
    assert not batch.images[0, height:].any()
    assert not batch.images[0, :, width:].any()


def test_the_padded_size_is_mmdetections():
    image = random_image((50, 97))
    inputs = as_evaluated(image, (96, 128))["inputs"]
    padded = DetDataPreprocessor(mean=MEAN, std=STD, pad_size_divisor=32)({"inputs": [inputs], "data_samples": None})
    assert stack([prepared(image, preprocessing())], 32).images.shape[1:3] == tuple(padded["inputs"].shape[2:])
    assert isinstance(inputs, torch.Tensor)


def test_images_of_one_padded_size_share_a_batch():
    how = preprocessing((96, 96))
    images = [prepared(random_image(size_hw), how) for size_hw in [(96, 96), (96, 40), (80, 90), (96, 33), (90, 90)]]
    assert group_by_padded_size(images, 32) == [[0, 2, 4], [1, 3]]


def test_a_batch_is_padded_with_zeros_where_an_image_is_smaller():
    how = preprocessing((64, 64))
    first, second = random_image((64, 64)), random_image((64, 50))
    batch = stack([prepared(first, how), prepared(second, how)], 32)
    assert batch.images.shape == (2, 64, 64, 3)
    np.testing.assert_array_equal(batch.images[0], first)
    np.testing.assert_array_equal(batch.images[1, :, :50], second)
    assert not batch.images[1, :, 50:].any()
