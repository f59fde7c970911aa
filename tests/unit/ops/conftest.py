"""mmcv's operators must be there before any test module of this folder imports mmcv.ops."""

import torch

from anomdet.ops import install

install()
torch.set_num_threads(1)
