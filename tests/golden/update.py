"""The golden translations: settings on the left, the MMEngine config that they must give in ``<name>.txt``.

After a change of the translation that is meant: ``python -m tests.golden.update``, then read the diff.
"""

from __future__ import annotations

from pathlib import Path

from anomdet.config.load import load_settings
from anomdet.config.translate import to_mmengine

FOLDER = Path(__file__).parent
CASES: dict[str, tuple[str, ...]] = {
    "defaults": (),
    "rtmdet_tiny_efficientnet_lite0": (
        "model.name=rtmdet_tiny",
        "model.backbone=efficientnet_lite0",
        "model.overrides={backbone: {frozen_blocks: 3}, neck: {out_channels: 64}}",
        "training={optimizer: adamw, use_amp: false, ema: true, channels_last: true, val_interval: 2}",
        "training.scheduler={name: cosine_annealing, warmup_iterations: 100}",
        "data.augmentations=[D4, {type: Affine, rotate: [-5, 5], p: 0.5}]",
        "data.image_size=[256, 320]",
        "data.classes={7: dent, 2: scratch}",
    ),
    "retinanet_resnet18_scratch": (
        "model={name: retinanet, backbone: resnet18, pretrained: false, num_classes: 3}",
        "training={optimizer: sgd, gradient_clip_norm: null}",
        "training.early_stopping.enabled=false",
        "training.class_imbalance_handling.method=none",
        "training.scheduler={name: step_lr, step_size: 4, gamma: 0.5}",
        "data.augmentations=[]",
        "data.num_workers=0",
    ),
    "custom_model": ("model.custom_model_file=examples/custom_model_torchvision.py",),
}


def translate(name: str) -> str:
    """The text of a case's config."""
    return to_mmengine(load_settings(None, CASES[name])).pretty_text


def main() -> None:
    """Write all golden files anew."""
    for name in CASES:
        (FOLDER / f"{name}.txt").write_text(translate(name), encoding="utf-8")


if __name__ == "__main__":
    main()
