"""Ten minutes on one GPU: a step with and without mixed precision, its memory, a run, its evaluation and export.

    python benchmarks/gpu.py                                    # on a machine with a GPU
    python benchmarks/gpu.py --peer-python peers/bin/python     # Ultralytics too, see benchmarks/peers.py
    python benchmarks/gpu.py --tiny                             # the same within two minutes, on a CPU as well

Images are drawn (`anomdet demo`'s parts); no weights are fetched. A step is timed under the run's own Runner, loading
and hooks included (:mod:`anomdet.engine.timing`), each setting in a process of its own; the rows come in one table.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

MODELS = ("fasterrcnn_resnet50_fpn", "yolox_s", "rtmdet_s")
PEER = """
import json, sys, time, torch
from ultralytics import YOLO
data, size, batch, seconds, out = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), sys.argv[5]
seen = []
def end(trainer):
    seen.append(time.perf_counter())
    if len(seen) > 8 and seen[-1] - seen[4] > seconds:
        per = (seen[-1] - seen[4]) / (len(seen) - 5) / batch
        memory = torch.cuda.max_memory_allocated() / 1e9 if torch.cuda.is_available() else None
        print(json.dumps({"ms": per * 1e3, "memory_gb": memory}), flush=True)
        raise SystemExit
model = YOLO("yolo11s.yaml")
model.add_callback("on_train_batch_end", end)
model.train(data=data, epochs=1000, imgsz=size, batch=batch, project=out, plots=False, verbose=False, val=False)
"""


def settings_of(args: argparse.Namespace, folder: Path, model: str, *, amp: bool) -> list[str]:
    """Overrides of one row."""
    return [
        f"data.data_dir={args.out}/data",
        f"data.image_size={args.size}",
        f"data.num_workers={args.workers}",
        f"model.name={model}",
        "model.detection_model=null",
        "model.pretrained=false",
        f"training.batch_size={args.batch}",
        f"training.use_amp={str(amp).lower()}",
        f"logging.log_dir={folder}/logs",
        f"logging.checkpoint_dir={folder}/checkpoints",
    ]


def time_one(args: argparse.Namespace) -> dict[str, Any]:
    """The child: milliseconds an image of a training step and of a validation, and the peak of the memory."""
    import torch

    from anomdet.config.load import load_settings
    from anomdet.config.shipped import configs_dir
    from anomdet.config.translate import to_mmengine
    from anomdet.workflows.runs.libraries import load_libraries
    from anomdet.workflows.timing.time_budget import time_here

    load_libraries()
    folder = Path(args.out) / f"{args.model}_{args.amp}"
    overrides = settings_of(args, folder, args.model, amp=args.amp == "amp")
    config = to_mmengine(load_settings(configs_dir() / "default.yaml", overrides))
    costs, _ = time_here(config, args.seconds)
    memory = torch.cuda.max_memory_allocated() / 1e9 if torch.cuda.is_available() else None
    return {"ms": costs.step_s / args.batch * 1e3, "val_ms": costs.val_image_s * 1e3, "memory_gb": memory}


def train_and_evaluate(args: argparse.Namespace, model: str) -> dict[str, Any]:
    """A run of some minutes, its evaluation, and its export where the command is there."""
    folder = Path(args.out) / "run"
    overrides = [*settings_of(args, folder, model, amp=True), f"training.minutes={args.minutes}"]
    command = [sys.executable, "-m", "anomdet.cli.main"]
    from anomdet.config.shipped import configs_dir

    config = str(configs_dir() / "default.yaml")
    started = time.perf_counter()
    subprocess.run([*command, "train", "-c", config, *overrides], check=True)
    minutes = (time.perf_counter() - started) / 60
    planned = [text for text in overrides if not text.startswith("training.minutes")]
    subprocess.run([*command, "evaluate", "-c", config, *planned], check=True)
    metrics = json.loads(next((folder / "logs").rglob("metrics.json")).read_text(encoding="utf-8"))
    export = "no command"
    if subprocess.run([*command, "export", "--help"], capture_output=True).returncode == 0:
        best, out = str(folder / "checkpoints" / "best_model.pth"), str(folder / "exported")
        done = subprocess.run([*command, "export", best, "--out", out], capture_output=True, text=True)
        export = "ok" if done.returncode == 0 else (done.stderr or done.stdout).strip().splitlines()[-1]
    return {
        "minutes": minutes,
        "mAP_50": metrics.get("mAP_50", metrics.get("overall", {}).get("mAP_50")),
        "export": export,
    }


def time_peer(args: argparse.Namespace) -> dict[str, Any]:
    """Ultralytics' yolo11s on the same images, by its own trainer, with its mixed precision."""
    out = Path(args.out).resolve()
    convert = ["convert", str(out / "data"), "--from", "anomdet", "--to", "yolo", "--out", str(out / "yolo")]
    subprocess.run([sys.executable, "-m", "anomdet.cli.main", *convert], check=True, capture_output=True)
    data = next((out / "yolo").rglob("*.yaml"))
    values = [str(data), str(args.size), str(args.batch), str(args.seconds), str(out / "peer")]
    done = subprocess.run([args.peer_python, "-c", PEER, *values], capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"ms"')]
    if not lines:
        raise SystemExit(f"Ultralytics gave no time:\n{done.stderr[-2000:]}")
    return {"val_ms": None, **json.loads(lines[-1])}


def row(name: str, found: dict[str, Any]) -> str:
    def cell(value: float | None, digits: int) -> str:
        return "-" if value is None else f"{value:.{digits}f}"

    rate = f"{1e3 / found['ms']:.1f}"
    return f"| {name} | {rate} | {cell(found['ms'], 1)} | {cell(found['val_ms'], 1)} | {cell(found['memory_gb'], 2)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="gpu_out")
    parser.add_argument("--tiny", action="store_true", help="96 px, batches of 2, one network: does it run?")
    parser.add_argument("--peer-python", help="of the environment that holds Ultralytics")
    for name, kind in (("--model", str), ("--amp", str), ("--seconds", float), ("--minutes", float)):
        parser.add_argument(name, type=kind, help=argparse.SUPPRESS)
    for name, default in (("--size", 640), ("--batch", 16), ("--workers", min(os.cpu_count() or 1, 8))):
        parser.add_argument(name, type=int, default=default)
    args = parser.parse_args()
    if args.model:
        print(json.dumps(time_one(args)))
        return
    models, images, args.seconds, args.minutes = MODELS, 600, 15.0, 3.0
    if args.tiny:
        models, images, args.seconds, args.minutes = ("rtmdet_tiny",), 24, 1.0, 1.0
        args.size, args.batch, args.workers = 96, 2, 0
    from anomdet.data.synth.generate import generate

    if not (Path(args.out) / "data").exists():
        generate(Path(args.out) / "data", num_images=images, size_hw=(args.size, args.size))
    rows = []
    for model in models:
        for amp in ("amp", "float32"):
            options = {"out": args.out, "model": model, "amp": amp, "seconds": args.seconds}
            options |= {"size": args.size, "batch": args.batch, "workers": args.workers}
            words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
            done = subprocess.run([sys.executable, __file__, *words], check=True, capture_output=True, text=True)
            rows.append(row(f"{model}, {amp}", json.loads(done.stdout.splitlines()[-1])))
            print(rows[-1], flush=True)
    if args.peer_python:
        rows.append(row("Ultralytics yolo11s, its default", time_peer(args)))
    run = train_and_evaluate(args, models[-1])
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU {platform.machine()}"
    print(f"\n{device}, torch {torch.__version__}, {args.size} px, batches of {args.batch}, {args.workers} workers\n")
    print("| step | images a second | ms an image | validation, ms an image | memory, GB |\n|---|---|---|---|---|")
    print("\n".join(rows))
    print(
        f"\nrun of {args.minutes:g} minutes: took {run['minutes']:.2f}, mAP_50 {run['mAP_50']}, export: {run['export']}"
    )


if __name__ == "__main__":
    main()
