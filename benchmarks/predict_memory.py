"""Does `anomdet predict` need more memory for 50,000 images than for 1,000?

    python benchmarks/predict_memory.py [--images 50000] [--source FOLDER] [--no-network]

The real command over links to real image files (drawn ones, or those of FOLDER), with a network of 64 px trained here
for one epoch; or, in a tenth of the time, all but the network: the tests' detector takes its place. A process beside it
reads its resident memory as the lines of results.jsonl grow. The bar: less than 50 MB more at the end than at image
1,000.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import yaml

from anomdet.data.synth.generate import generate

BAR_MB = 50
ANOMDET = [sys.executable, "-m", "anomdet.cli.main"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--source", type=Path, help="folder of real images; default: 200 drawn ones")
    parser.add_argument("--no-network", action="store_true", help="reading, decoding, results and files only")
    parser.add_argument("--judge", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.judge:
        judge(args.judge)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generate(folder / "data", num_images=200, size_hw=(96, 96))
        command = [sys.executable, __file__, "--judge", str(folder)]
        if not args.no_network:
            command = [*ANOMDET, "predict", str(train(folder)), str(folder / "links"), "--out", str(folder / "out")]
        source = args.source or folder / "data" / "images"
        link(source.resolve(), folder / "links", args.images)
        measured = watch(command, folder / "out", args.images)
    first, last = measured[0][1], max(mb for at, mb in measured if at > measured[0][0])
    print(f"{last - first:+.1f} MB between image {measured[0][0]:,} and the highest after; bar: +{BAR_MB} MB")
    sys.exit(last - first >= BAR_MB)


def train(folder: Path) -> Path:
    """A checkpoint of a small network at 64 px."""
    settings = {
        "model": {"name": "rtmdet_tiny", "backbone": "efficientnet_lite0"},
        "training": {"epochs": 1, "batch_size": 8, "use_amp": False},
        "data": {"data_dir": str(folder / "data"), "image_size": 64, "num_workers": 0},
        "logging": {"log_dir": str(folder / "logs"), "checkpoint_dir": str(folder / "checkpoints")},
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    subprocess.run([*ANOMDET, "train", "-c", str(folder / "run.yaml")], check=True, stdout=subprocess.DEVNULL)
    return folder / "checkpoints" / "best_model.pth"


def link(source: Path, target: Path, count: int) -> None:
    """``count`` links to the images of a folder, 1,000 in each folder."""
    images = sorted(path for path in source.rglob("*") if path.suffix in (".jpg", ".png"))
    for number in range(count):
        image = images[number % len(images)]
        path = target / f"{number // 1000:04d}" / f"{number:07d}{image.suffix}"
        if number % 1000 == 0:
            path.parent.mkdir(parents=True)
        path.symlink_to(image)


def judge(folder: Path) -> None:
    """The job with the tests' detector."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from anomdet.workflows.predict import predict
    from anomdet.workflows.predictions.job import PredictJob
    from tests.unit.inference.fake_detector import FakeDetector

    class Resizing(FakeDetector):
        """As large as the network sees it."""

        def prepare(self, image: Any, *, channels: str = "rgb") -> Any:
            return cv2.resize(super().prepare(image, channels=channels), (64, 64))

    predict(PredictJob(Resizing(), (folder / "links",), out=folder / "out"), on_progress=lambda _progress: None)


def watch(command: list[str], out: Path, count: int) -> list[tuple[int, float]]:
    """(images that are done, resident MB) at 1,000 images and then about every tenth of all."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    measured: list[tuple[int, float]] = []
    done, offset, wanted = 0, 0, 1000
    while process.poll() is None:
        time.sleep(0.02)
        if not (out / "results.jsonl").exists():
            continue
        with (out / "results.jsonl").open("rb") as file:
            file.seek(offset)
            data = file.read()
        offset += len(data)
        done += data.count(b"\n")
        if done >= wanted and (mb := resident_mb(process.pid)):
            measured.append((done, mb))
            print(
                f"{done:>7,} images: {mb:,.1f} MB resident, {done / (time.monotonic() - start):.0f} a second",
                flush=True,
            )
            wanted = done + count // 20
    assert process.returncode == 0 and done == count, (process.returncode, done)
    return measured


def resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
