"""``anomdet demo``: from nothing to a trained detector, on a CPU, with data drawn on the spot."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

from anomdet.layout import BEST, VISUALIZATION_DIR
from anomdet.output_rule import check_new_folder
from anomdet.outputs import make_folder
from anomdet.workflows.evaluate import evaluate
from anomdet.workflows.train import train
from anomdet.workflows.visualize import visualize

NUM_IMAGES = 600
_log = logging.getLogger("anomdet")


def demo(out: Path | None = None) -> list[Path]:
    """Draw a data set, train, evaluate, draw the results.

    Args:
        out: a folder that is empty or not there; None: ``demo``, or the first free of ``demo_2``, ``demo_3``, ...

    Returns:
        What is worth opening.

    Raises:
        UserError: the folder holds something.
    """
    started = time.monotonic()
    out = free_folder() if out is None else _empty_folder(out)
    from anomdet.config.shipped import configs_dir
    from anomdet.data.synth.generate import generate
    from anomdet.outputs import write_text

    _log.info(f"drawing {NUM_IMAGES} images of parts into {out / 'data'}")
    summary = generate(out / "data", num_images=NUM_IMAGES)
    _log.info(f"{summary.num_images} images, {summary.num_normal} of them normal; objects by class {summary.objects}")
    config = write_text(out / "demo.yaml", _settings(configs_dir() / "demo.yaml", out))
    train(config, resume_hint=f"anomdet train --config {config} --resume")
    result = evaluate(config)
    _say(result.table)
    pictures = visualize(config)
    minutes = (time.monotonic() - started) / 60
    _say(f"\ndone in {minutes:.1f} minutes: mAP_50 {result.metrics['mAP_50']:.3f} on the test split\n")
    _say(_next_steps(out))
    return [config, out / "checkpoints" / BEST, result.written[-1], pictures[0]]


def _say(text: str) -> None:
    for line in text.split("\n"):
        _log.info(line)


def free_folder() -> Path:
    """``demo``, or the first of ``demo_2``, ``demo_3``, ... that is not there or empty."""
    number = 1
    while True:
        folder = Path("demo" if number == 1 else f"demo_{number}")
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return folder
        number += 1


def _empty_folder(out: Path) -> Path:
    check_new_folder(out, "--out")
    return make_folder(out, "--out")


def _settings(template: Path, out: Path) -> str:
    """The shipped settings, with the folders of this demo."""
    text = template.read_text(encoding="utf-8")
    text = text.replace("$schema=settings.schema.json", f"$schema={template.parent / 'settings.schema.json'}")
    for key in ("data", "logs", "checkpoints"):
        text = text.replace(f": demo/{key}", f": {json.dumps((out / key).as_posix(), ensure_ascii=False)}")
    return text


def _next_steps(out: Path) -> str:
    return f"""next:
  look at {out / "logs" / VISUALIZATION_DIR}: ground truth left, predictions right
  your own data: put images into data/images and labels into data/labels, one object a line:
    class_num x_corner y_corner width height   (pixels; an empty file is a normal part)
  then: anomdet train --config {out / "demo.yaml"} data.data_dir=data logging.log_dir=logs \\
        logging.checkpoint_dir=checkpoints data.classes=null
"""
