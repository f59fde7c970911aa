"""A config of MMDetection's for a box detector on COCO files, as a config of a run here.

Its network, normalisation, optimizer, learning rate, epochs and batch stay. Its COCO files are converted once, beside
the work folder. Its pipelines, metrics and hooks give way to AnomDet's, and the log names them.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomdet.errors import Problem, UserError
from anomdet.file_hash import sha256
from anomdet.layout import IMAGES_DIR, LABELS_DIR, SPLITS, TEST, TRAIN, VAL
from anomdet.outputs import write_text
from anomdet.workflows.runs.image_stamps import stamps_of

_COCO = "CocoDataset"
# The keys of the config that are taken over; what is set elsewhere is meant for the run's own.
TAKEN = (
    *("model.", "optim_wrapper.", "param_scheduler.", "load_from", "train_cfg.", "work_dir", "randomness."),
    *("train_dataloader.", "val_dataloader.", "test_dataloader.", "default_hooks.checkpoint.out_dir"),
)
CARRIED = ("auto_scale_lr", "tta")  # as they are; the second is AnomDet's own, which a user's config may have
_SOURCE = "source.json"  # of the converted folder: what it was made from
_AVERAGE = "EMAHook"
_log = logging.getLogger("anomdet")


@dataclass(frozen=True)
class CocoSplit:
    """The COCO file of one data loader, and the folder of its images."""

    key: str
    ann_file: Path
    images: Path
    classes: tuple[str, ...]


def is_mmdets(config: Any) -> bool:
    """Whether a Python config reads COCO files with MMDetection's data set, for a run."""
    loader = config.get("train_dataloader")
    return bool(loader) and str(_dataset(loader).get("type", "")).endswith(_COCO)


def fill_work_dir(config: Any, path: Path) -> None:
    """As MMDetection's train.py does: ``work_dirs/<name of the config>``; the checkpoints are in it."""
    config.setdefault("work_dir", None)
    config.work_dir = config.work_dir or str(Path("work_dirs", path.stem))
    hooks = config.setdefault("default_hooks", {})
    hooks.setdefault("checkpoint", {}).setdefault("out_dir", None)


def adopt(theirs: Any, path: Path) -> Any:
    """The config of a run of AnomDet.

    Args:
        theirs: after :func:`fill_work_dir` and the user's overrides.
        path: of the file.

    Raises:
        UserError: what is missing in it, and what has no counterpart here; all at once.
    """
    problems = list(_problems(theirs))
    if problems:
        raise UserError(problems)
    splits = {name: _split(theirs, name) for name in SPLITS}
    lost = [one for one in splits.values() if not one.ann_file.is_file() or not one.images.is_dir()]
    if lost:
        hint = "give the folder: train_dataloader.dataset.data_root=DIR, and for val and test"
        raise UserError(
            [
                Problem(
                    f"{path}: {one.key}", "a COCO file and its folder of images", f"{one.ann_file}, {one.images}", hint
                )
                for one in lost
            ]
        )
    folder = Path(f"{str(theirs.work_dir).rstrip('/')}_data")
    classes = _convert(splits, folder)
    _check_classes(splits, classes, path)
    return _translated(theirs, folder, classes)


def _problems(theirs: Any) -> Iterator[Problem]:
    for key in ("model", "train_dataloader", "val_dataloader", "optim_wrapper", "train_cfg"):
        if not theirs.get(key):
            yield Problem(key, "a section of MMDetection's config", "none", "see docs/mmdetection.md")
    loop = theirs.get("train_cfg") or {}
    if loop and not loop.get("max_epochs"):
        yield Problem("train_cfg.max_epochs", "a number of epochs", "none", "loops by iteration have no counterpart")
    for name in ("val", "test"):
        loader = theirs.get(f"{name}_dataloader")
        if loader and not str(_dataset(loader).get("type", "")).endswith(_COCO):
            got = str(_dataset(loader).get("type"))
            yield Problem(f"{name}_dataloader.dataset.type", _COCO, got, "anomdet convert reads other formats")
    for part in ("mask_head", "panoptic_head", "semantic_head"):
        model = theirs.get("model") or {}
        if model.get(part) or (model.get("roi_head") or {}).get(part):
            yield Problem(f"model: {part}", "a detector of boxes", part, "AnomDet predicts boxes")


def _dataset(loader: Any) -> Any:
    """Below wrappers such as MultiImageMixDataset and RepeatDataset."""
    node = loader.get("dataset") or {}
    while isinstance(node.get("dataset"), dict):
        node = node["dataset"]
    return node


def _split(theirs: Any, name: str) -> CocoSplit:
    key = f"{name}_dataloader" if theirs.get(f"{name}_dataloader") else "val_dataloader"
    dataset = _dataset(theirs[key])
    root = Path(dataset.get("data_root") or "")
    prefix = (dataset.get("data_prefix") or {}).get("img") or ""
    classes = (dataset.get("metainfo") or {}).get("classes") or ()
    classes = (classes,) if isinstance(classes, str) else tuple(classes)
    return CocoSplit(f"{key}.dataset", root / str(dataset.get("ann_file")), root / prefix, classes)


def _convert(splits: Mapping[str, CocoSplit], folder: Path) -> dict[int, str]:
    """Into ``folder``, once; each split in folders of its own below images/ and labels/. Returns the classes."""
    from anomdet.workflows.convert import convert

    source = {
        name: [str(one.ann_file.absolute()), sha256(one.ann_file), str(one.images.absolute())]
        for name, one in splits.items()
    }
    known, images = folder / _SOURCE, {name: stamps_of(one.ann_file, one.images) for name, one in splits.items()}
    if known.is_file():
        kept = json.loads(known.read_text(encoding="utf-8"))
        if kept.get("source") == source and kept.get("images", images) == images:
            return {int(number): name for number, name in kept["classes"].items()}
        got = "that of other COCO files or images" if kept.get("source") != source else "images as they were before"
        hint = "move it away, or choose another work_dir"
        raise UserError(Problem(str(folder), "the data of this config", got, hint))
    classes: dict[int, str] = {}
    made = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(made, ignore_errors=True)
    for name, one in splits.items():
        part = made / name
        done = convert(one.ann_file, part, from_format="coco", images=one.images)
        for note in done.notes:
            _log.warning(f"{one.ann_file}: {note}")
        if classes and done.names != classes:
            raise UserError(Problem(str(one.ann_file), f"the categories {classes}", f"{done.names}"))
        classes = done.names
        _place(made, part, name)
    write_text(made / _SOURCE, json.dumps({"source": source, "images": images, "classes": classes}))
    made.rename(folder)
    _log.info(f"the COCO files were converted to {folder}; images are linked where the disk can")
    return classes


def _place(made: Path, part: Path, name: str) -> None:
    """Put a converted split into the common folder, with its list."""
    for kind in (IMAGES_DIR, LABELS_DIR):
        (made / kind).mkdir(exist_ok=True)
        (part / kind).rename(made / kind / name)
    images = sorted(path.relative_to(made / IMAGES_DIR) for path in (made / IMAGES_DIR / name).rglob("*"))
    names = [path.as_posix() for path in images if (made / IMAGES_DIR / path).is_file()]
    write_text(made / f"{name}.txt", "\n".join(names) + "\n")
    shutil.rmtree(part)


def _check_classes(splits: Mapping[str, CocoSplit], classes: Mapping[int, str], path: Path) -> None:
    """MMDetection counts its classes in the order of the file's categories; here their ids rise."""
    problems = []
    for one in splits.values():
        order = [category["id"] for category in json.loads(one.ann_file.read_text(encoding="utf-8"))["categories"]]
        if order != sorted(order):
            hint = "sort them: a checkpoint would give each class another's name"
            problems.append(Problem(f"{one.ann_file}: categories", "rising ids", str(order), hint))
        if one.classes and sorted(one.classes) != sorted(classes.values()):
            got = f"{list(one.classes)}"
            problems.append(Problem(f"{path}: {one.key}.metainfo.classes", f"{sorted(classes.values())}", got))
    if problems:
        raise UserError(problems)


def _translated(theirs: Any, folder: Path, classes: Mapping[int, str]) -> Any:
    from anomdet.config.presets import walk
    from anomdet.config.translate import to_mmengine

    steps = list(_steps(theirs.val_dataloader))
    settings = _settings(theirs, folder, classes)
    config = to_mmengine(settings)
    config.model, config.optim_wrapper = theirs.model, theirs.optim_wrapper
    config.param_scheduler, config.load_from = theirs.get("param_scheduler"), theirs.get("load_from")
    config.update({key: theirs[key] for key in CARRIED if theirs.get(key)})
    for node in walk(config.model):
        node.pop("_scope_", None)  # MMEngine notes whose config a base was
        if "num_classes" in node:
            node["num_classes"] = None
    pads = [step["pad_val"] for step in steps if step.get("type") == "Pad" and step.get("pad_val")]
    if pads and "data_preprocessor" in config.model:
        config.model.data_preprocessor.pad_value = pads[0]["img"][0] if isinstance(pads[0], dict) else pads[0]
    hooks = theirs.get("custom_hooks") or []
    config.custom_hooks += [hook for hook in hooks if hook["type"] == _AVERAGE]
    _log.info(_left_out(theirs, [hook["type"] for hook in hooks if hook["type"] != _AVERAGE]))
    return config


def _settings(theirs: Any, folder: Path, classes: Mapping[int, str]) -> Any:
    """What of the config has a place in the settings; the network is put in later."""
    from anomdet.config.schema import Settings

    resizes = (step for step in _steps(theirs.val_dataloader) if str(step.get("type", "")).endswith("Resize"))
    width, height = _size_wh(next(resizes, {"scale": 640}))
    flips = any("Flip" in str(step.get("type")) for step in _steps(theirs.train_dataloader))
    work_dir = str(theirs.work_dir)
    return Settings.model_validate({
        "model": {"name": "rtmdet_tiny", "pretrained": False},
        "training": {
            "epochs": theirs.train_cfg.max_epochs,
            "val_interval": theirs.train_cfg.get("val_interval", 1),
            "batch_size": theirs.train_dataloader.batch_size,
            "seed": (theirs.get("randomness") or {}).get("seed") or 0,
            "early_stopping": {"enabled": False},
            "class_imbalance_handling": {"method": "none"},
        },
        "data": {
            "data_dir": str(folder),
            "classes": dict(classes),
            "image_size": [int(height), int(width)],
            "num_workers": theirs.train_dataloader.get("num_workers", 0),
            "augmentations": [{"type": "HorizontalFlip", "p": 0.5}] if flips else [],
            "split_files": {name: str(folder / f"{name}.txt") for name in (TRAIN, VAL, TEST)},
            "split": {"on_leak": "ignore"},  # a config often tests on its validation split
        },
        "evaluation": {"batch_size": theirs.val_dataloader.batch_size},
        "logging": {"log_dir": work_dir, "checkpoint_dir": theirs.default_hooks.checkpoint.out_dir or work_dir},
    })  # fmt: skip


def _size_wh(step: Mapping[str, Any]) -> tuple[int, int]:
    """Of a step of MMDetection's that resizes: ``scale``, one number for a square, or ``width`` and ``height``.

    Raises:
        UserError: it has no size in pixels.
    """
    scale = step.get("scale", (step.get("width"), step.get("height")))
    sides = (scale, scale) if isinstance(scale, int) else tuple(scale or ())
    if len(sides) != 2 or not all(isinstance(side, int) for side in sides):
        got = ", ".join(f"{key}={value}" for key, value in step.items() if key != "type") or "none"
        where = f"val_dataloader: {step.get('type')}"
        raise UserError(Problem(where, "a size in pixels, as scale=(1333, 800)", got, "write one into the config"))
    return sides[0], sides[1]


def _left_out(theirs: Any, hooks: list[str]) -> str:
    """What of the config gives way to AnomDet's."""
    kept = ("Load", "Resize", "Pack", "Flip", "Pad")
    steps = [str(step["type"]) for step in _steps(theirs.train_dataloader)]
    steps = list(dict.fromkeys(name for name in steps if not name.startswith(kept) and "Flip" not in name))
    named = [f"{what} {', '.join(names)}" for what, names in (("transforms", steps), ("hooks", hooks)) if names]
    return f"of MMDetection's config these are not used: {'; '.join([*named, 'its metrics and checkpoint hook'])}"


def _steps(loader: Any) -> Iterator[Mapping[str, Any]]:
    """Of all pipelines of a loader, wrappers' too."""
    node = loader.get("dataset")
    while isinstance(node, dict):
        yield from node.get("pipeline") or ()
        node = node.get("dataset")


def class_names(file: Any, config: Any) -> dict[int, str]:
    """Class number to name of a checkpoint; MMDetection's names no numbers, and gets those of its data.

    Args:
        file: the checkpoint, read.
        config: of the run.

    Raises:
        UserError: it names no classes, or others than the data.
    """
    meta = file.meta.dataset_meta
    if meta.names:
        return dict(meta.names)
    known = {int(number): str(name) for number, name in config.train_dataloader.dataset.get("classes") or ()}
    if meta.classes and tuple(known.values()) == meta.classes:
        return known
    got = f"{', '.join(meta.classes)} without numbers" if meta.classes else "none in it"
    expected = "a checkpoint that knows its classes" + (f", {', '.join(known.values())}" if known else "")
    raise UserError(Problem(str(file.path), expected, got, "give the config and data that it was trained with"))
