"""File to result on one core: a detector's formats against Ultralytics' networks, in one run, in turn.

    python benchmarks/export_speed.py --model exported --model exported_int8 --images data/images \
        [--peer yolo11n.pt --peer-format eager,onnx,openvino --size 320] [--num 40] [--rounds 5]

Each contender reads the same files, one at a time, and says what it finds; the order is turned round from round to
round. Processor time an image, all threads: the median of the rounds, and its ratio to the fastest peer. The peer's
package is not installed with AnomDet (it is AGPL): pip install ultralytics. A name that ends in .yaml has random
weights: its speed is that of the trained network but for the number of boxes that reach its suppression. OpenVINO
computes in bfloat16 by itself where the processor has AMX: AnomDet never lets it, and `--peer-precision f32`, the
default, does not let the peers either; `own` does.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import cv2  # noqa: E402

import anomdet  # noqa: E402

Judge = Callable[[str], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", action="append", default=[], help="exported folders, best_model.pth")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--peer", action="append", default=[], help="yolo11n.pt, yolo26n.yaml ...")
    parser.add_argument("--peer-format", default="eager,onnx,openvino")
    parser.add_argument("--peer-precision", choices=("f32", "own"), default="f32", help="of the peers in OpenVINO")
    parser.add_argument("--size", type=int, default=320, help="of the peers, pixels")
    parser.add_argument("--num", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    paths = [str(path) for path in sorted(args.images.iterdir())[: args.num]]
    if args.peer_precision == "f32":
        compute_in_f32()
    with tempfile.TemporaryDirectory() as folder:
        contenders = {name: ours(name) for name in args.model}
        for peer in args.peer:
            for kind in args.peer_format.split(","):
                contenders[f"{peer} {kind}"] = theirs(peer, kind, args.size, Path(folder))
        show(time_all(contenders, paths, args.rounds), set(args.model))


def ours(model: str) -> Judge:
    """A detector with one thread."""
    return anomdet.load(model, threads=1) if Path(model).is_dir() else anomdet.load(model, device="cpu")


def compute_in_f32() -> None:
    """OpenVINO in this process, whoever asks it and does not say otherwise."""
    import openvino

    compile_model = openvino.Core.compile_model

    def compiled(core: openvino.Core, model: object, device_name: str = "CPU", config: object = None) -> object:
        return compile_model(core, model, device_name, {"INFERENCE_PRECISION_HINT": "f32", **dict(config or {})})

    openvino.Core.compile_model = compiled  # type: ignore[method-assign, assignment]


def theirs(model: str, kind: str, size: int, folder: Path) -> Judge:
    """A peer, exported by its own package."""
    from ultralytics import YOLO

    network = YOLO(model)
    if kind != "eager":
        before = Path.cwd()
        os.chdir(folder)  # it writes beside the weights, or here
        network.save(f"{Path(model).stem}.pt")
        network = YOLO(YOLO(f"{Path(model).stem}.pt").export(format=kind, imgsz=size), task="detect")
        os.chdir(before)
    os.chdir(folder)
    return lambda path: network.predict(path, imgsz=size, device="cpu", verbose=False, conf=0.25)


def time_all(contenders: dict[str, Judge], paths: list[str], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of processor time an image, of each round."""
    import torch

    torch.set_num_threads(1)
    paths = [str(Path(path).resolve()) for path in paths]
    for judge in contenders.values():
        for path in paths[:3]:
            judge(path)
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name in list(contenders)[:: 1 if number % 2 else -1]:
            start = time.process_time()
            for path in paths:
                contenders[name](path)
            found[name].append(1e3 * (time.process_time() - start) / len(paths))
    return found


def show(found: dict[str, list[float]], own: set[str]) -> None:
    """A table."""
    peers = [statistics.median(times) for name, times in found.items() if name not in own]
    print("| contender | ms an image | range | of the fastest peer |\n|---|---|---|---|")
    for name, times in found.items():
        middle = statistics.median(times)
        ratio = f"{middle / min(peers):.2f}" if peers else ""
        print(f"| {name} | {middle:.1f} | {min(times):.1f} to {max(times):.1f} | {ratio} |")


if __name__ == "__main__":
    main()
