"""AnomDet and Ultralytics on the same lists of images, for equal processor seconds, in one table.

    python -m venv peers && peers/bin/pip install ultralytics        # its own environment: AGPL-3.0, never ours
    OMP_NUM_THREADS=1 taskset -c 0 python benchmarks/peers.py DATA --train train.txt --val val.txt \
        --peer-python peers/bin/python --minutes 5 --models yolo11n --seeds 42

Each trainer runs in a process of its own, without loader workers, and takes processor time for time: a busy machine
changes nothing. AnomDet is `anomdet init --minutes`, with no other choice; Ultralytics starts from random weights
(``yolo11n.yaml``), at the image size that init chose, with its own `time` budget and defaults. Both keep the checkpoint
that is best on the val list, and pycocotools measures both there, at most 100 boxes an image.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def use_processor_time() -> None:
    """Within this process, seconds are those of the processor."""
    for name in ("time", "monotonic", "perf_counter"):
        setattr(time, name, time.process_time)


def read_list(path: str) -> list[str]:
    return [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()]


def lists_of(args: argparse.Namespace) -> dict[str, Path]:
    """Absolute train and val lists, and a test list that a run wants: the first training image, which is left out."""
    folder = Path(args.out) / "lists"
    folder.mkdir(parents=True, exist_ok=True)
    test, *train = read_list(args.train)
    names = {"train": train, "val": read_list(args.val), "test": [test]}
    for split, images in names.items():
        (folder / f"{split}.txt").write_text("\n".join(images) + "\n", encoding="utf-8")
    return {split: (folder / f"{split}.txt").resolve() for split in names}


def train_anomdet(args: argparse.Namespace) -> dict[str, Any]:
    """Settings by the rules, a run of so many minutes, its predictions on the val list."""
    use_processor_time()
    import anomdet
    from anomdet.workflows.init import init
    from anomdet.workflows.runs.run_config import load_run

    folder = Path(args.out) / f"anomdet_{args.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    overrides = [f"data.split_files.{split}={path}" for split, path in lists_of(args).items()]
    overrides += [f"training.seed={args.seed}", "data.num_workers=0"]
    overrides += [f"logging.log_dir={folder}/logs", f"logging.checkpoint_dir={folder}/checkpoints"]
    written = init(Path(args.data), overrides, out=folder / "run.yaml", device="cpu", minutes=args.minutes)
    settings = load_run(str(written.path), []).settings
    started = time.process_time()
    anomdet.train(settings)
    seconds = time.process_time() - started
    anomdet.evaluate(settings, split="val")
    results = folder / "logs" / "evaluation"
    size = settings.data.image_size
    return {
        "seconds": seconds,
        "size_px": size if isinstance(size, int) else max(size),
        "ground_truth": str(next(results.rglob("ground_truth.json"))),
        "predictions": str(next(results.rglob("predictions.json"))),
        "version": anomdet.__version__,
    }


def write_yolo(args: argparse.Namespace, classes: list[int]) -> Path:
    """The lists and labels in YOLO's format; images are linked, not copied."""
    import cv2

    root = Path(args.out).resolve() / "yolo"
    for split, path in lists_of(args).items():
        lines = []
        for name in read_list(str(path)):
            image = root / "images" / name
            label = (root / "labels" / name).with_suffix(".txt")
            image.parent.mkdir(parents=True, exist_ok=True)
            label.parent.mkdir(parents=True, exist_ok=True)
            source = (Path(args.data) / "images" / name).resolve()
            if not image.exists():
                image.symlink_to(source)
            height, width = cv2.imread(str(source)).shape[:2]
            rows = []
            own = (Path(args.data) / "labels" / name).with_suffix(".txt").read_text(encoding="utf-8").splitlines()
            for row in filter(None, own):
                number, x, y, w, h = (float(value) for value in row.split()[:5])
                at = classes.index(int(number))
                rows.append(f"{at} {(x + w / 2) / width} {(y + h / 2) / height} {w / width} {h / height}")
            label.write_text("\n".join(rows), encoding="utf-8")
            lines.append(str(image))
        (root / f"{split}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    names = "".join(f"  {at}: c{number}\n" for at, number in enumerate(classes))
    config = f"path: {root}\ntrain: train.txt\nval: val.txt\nnames:\n{names}"
    (root / "data.yaml").write_text(config, encoding="utf-8")
    return root / "data.yaml"


def train_ultralytics(args: argparse.Namespace) -> dict[str, Any]:
    """A run of so many minutes from random weights, its predictions on the val list."""
    os.environ.setdefault("YOLO_OFFLINE", "true")
    import torch
    import ultralytics
    from ultralytics import YOLO

    truth = json.loads(Path(args.ground_truth).read_text(encoding="utf-8"))
    classes = sorted(category["id"] for category in truth["categories"])
    data = write_yolo(args, classes)
    use_processor_time()
    torch.set_num_threads(1)
    folder = Path(args.out).resolve() / f"{args.model}_{args.seed}"
    started = time.process_time()
    model = YOLO(f"{args.model}.yaml")
    model.train(
        data=str(data),
        time=args.minutes / 60,
        imgsz=args.size,
        seed=args.seed,
        project=str(folder),
        name="run",
        device="cpu",
        workers=0,
        plots=False,
        verbose=False,
    )
    seconds = time.process_time() - started
    best = YOLO(str(next(folder.rglob("best.pt"))))
    found = []
    for image in truth["images"]:
        path = Path(args.data) / "images" / image["file_name"]
        (result,) = best.predict(str(path), imgsz=args.size, conf=0.001, max_det=100, device="cpu", verbose=False)
        for (x0, y0, x1, y1), score, at in zip(
            result.boxes.xyxy.tolist(), result.boxes.conf.tolist(), result.boxes.cls.tolist(), strict=True
        ):
            box = [x0, y0, x1 - x0, y1 - y0]
            found.append({"image_id": image["id"], "category_id": classes[int(at)], "bbox": box, "score": score})
    predictions = folder / "predictions.json"
    predictions.write_text(json.dumps(found), encoding="utf-8")
    return {"seconds": seconds, "predictions": str(predictions), "version": ultralytics.__version__}


def coco_map(ground_truth: str, predictions: str) -> tuple[float, float]:
    """mAP and mAP_50 by pycocotools."""
    import contextlib
    import io

    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(ground_truth)
        content = json.loads(Path(predictions).read_text(encoding="utf-8"))
        boxes = content["annotations"] if isinstance(content, dict) else content
        if not boxes:
            return 0.0, 0.0
        evaluation = COCOeval(truth, truth.loadRes(boxes), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0]), float(evaluation.stats[1])


def child(args: argparse.Namespace, python: str, kind: str, **more: Any) -> dict[str, Any]:
    """One trainer in its own process; returns what it reports."""
    report = Path(args.out) / f"{kind}_{more.get('model', '')}_{more['seed']}.json"
    options = {"train": args.train, "val": args.val, "minutes": args.minutes, "out": args.out, **more}
    command = [python, __file__, args.data, "--child", kind, "--report", str(report)]
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    subprocess.run(command, check=True, env=environment)
    return dict(json.loads(report.read_text(encoding="utf-8")))


def table(args: argparse.Namespace, rows: dict[str, list[dict[str, Any]]]) -> str:
    """Markdown: a line a trainer, the mean over its seeds and their range."""
    lines = [
        f"{args.minutes:g} minutes of processor time on {platform.processor() or platform.machine()}, "
        f"Python {platform.python_version()}, {datetime.datetime.now(datetime.UTC).date()}; "
        f"val list of {len(read_list(args.val))} images; seeds {', '.join(map(str, args.seeds))}",
        "",
        "| trainer | version | image size | seconds | mAP_50 | mAP |",
        "|---|---|---|---|---|---|",
    ]
    for name, runs in rows.items():
        cells = []
        for key in ("mAP_50", "mAP"):
            values = [run[key] for run in runs]
            spread = f" ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 else " (one seed)"
            cells.append(f"{statistics.fmean(values):.3f}{spread}")
        seconds = statistics.fmean(run["seconds"] for run in runs)
        cells = [name, runs[0]["version"], str(runs[0]["size_px"]), f"{seconds:.0f}", *cells]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--train", required=True)
    parser.add_argument("--val", required=True)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--models", nargs="*", default=["yolo11n"])
    parser.add_argument("--seeds", nargs="*", type=int, default=[42])
    parser.add_argument("--peer-python", default="peers/bin/python", help="of the environment that holds Ultralytics")
    parser.add_argument("--out", default="peers_out")
    for name in ("--child", "--report", "--model", "--ground-truth"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    for name in ("--seed", "--size"):
        parser.add_argument(name, type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        run = {"anomdet": train_anomdet, "ultralytics": train_ultralytics}[args.child]
        Path(args.report).write_text(json.dumps(run(args)), encoding="utf-8")
        return
    rows: dict[str, list[dict[str, Any]]] = {}
    for seed in args.seeds:
        own = child(args, sys.executable, "anomdet", seed=seed)
        runs = {"AnomDet": own}
        for model in args.models:
            more = {"seed": seed, "model": model, "size": own["size_px"], "ground_truth": own["ground_truth"]}
            runs[model] = {**child(args, args.peer_python, "ultralytics", **more), "size_px": own["size_px"]}
        for name, found in runs.items():
            found["mAP"], found["mAP_50"] = coco_map(own["ground_truth"], found["predictions"])
            rows.setdefault(name, []).append(found)
    text = table(args, rows)
    (Path(args.out) / "table.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
