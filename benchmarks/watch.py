"""Is each file that arrives judged exactly once, and never half of it, though the process is killed again and again?

    python benchmarks/watch.py [--files 1000] [--kills 5] [--seconds 60]

Writers put files into a folder at random moments and speeds: in one go; in chunks with pauses, some longer than the
time that a file has to rest; renamed into place; with the final size taken from the start. A process of its own watches
(`workflows.predict` with a detector whose score is a mean over all pixels, so that half a file gives another score). It
is killed by SIGKILL after random numbers of files, and started again. At the end each file must have one line with its
own score.

Not among them, since nobody can tell by the file alone: a BMP whose size is taken from the start and whose writer
pauses for longer than the file has to rest.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # for the tests' detector

from anomdet.inference.arrivals import Arrivals, Patience
from anomdet.workflows.predict import predict
from anomdet.workflows.predictions.job import PredictJob
from tests.unit.inference.fake_detector import FakeDetector

NUM_WRITERS = 8
SETTLE_S = 0.5
MANNERS = ("at once", "chunks", "renamed", "size first")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--judge", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.judge:
        judge(args.judge)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        expected, manners = arrive(folder, args.files, args.kills, args.seconds)
        wrong = compare(folder, expected)
        print(f"{len(expected):,} files ({', '.join(f'{n} {how}' for how, n in manners.items())}), {args.kills} kills")
        print(f"judged twice: {wrong['twice']}; not judged: {wrong['missing']}; failed or half: {wrong['half']}")
    if args.files >= 1000:
        cost(10_000)
    sys.exit(bool(sum(wrong.values())))


def judge(folder: Path) -> None:
    """The process that watches."""
    patience = Patience(poll_s=0.1, settle_s=SETTLE_S, give_up_s=30, idle_s=5)
    job = PredictJob(FakeDetector(delay_s=0.002), (folder / "in",), out=folder / "out", watch=True, patience=patience)
    predict(job)


def arrive(folder: Path, num_files: int, num_kills: int, seconds: float) -> tuple[dict[str, float], Counter[str]]:
    """Write all files while a process judges them and is killed; file name to the right score."""
    rng = random.Random(0)
    expected: dict[str, float] = {}
    manners: Counter[str] = Counter()
    end = time.monotonic() + seconds
    numbers = list(range(num_files))

    def write_some(own: random.Random) -> None:
        while numbers:
            number = numbers.pop()
            name, score, how = write_one(folder / "in", number, own)
            expected[name] = score
            manners[how] += 1
            time.sleep(own.random() * 2 * max(0.0, (end - time.monotonic()) * NUM_WRITERS / (len(numbers) + 1)) * 0.4)

    writers = [threading.Thread(target=write_some, args=(random.Random(seed),)) for seed in range(NUM_WRITERS)]
    for writer in writers:
        writer.start()
    command = [sys.executable, __file__, "--judge", str(folder)]
    for _ in range(num_kills):
        wanted = lines(folder) + rng.randint(1, num_files // (num_kills + 1))
        process = subprocess.Popen(command)
        while lines(folder) < wanted:
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(rng.random() * 0.3)
        process.send_signal(signal.SIGKILL)
        process.wait()
        print(f"killed with {lines(folder)} lines; {len(expected)} files written", flush=True)
    process = subprocess.Popen(command)
    for writer in writers:
        writer.join()
    assert process.wait(timeout=120) == 0
    return expected, manners


def write_one(folder: Path, number: int, rng: random.Random) -> tuple[str, float, str]:
    """One file in one of the manners; its name, the score that is right for it, and the manner."""
    suffix, how = rng.choice((".png", ".jpg", ".bmp")), rng.choice(MANNERS)
    pixels = np.random.default_rng(number).integers(0, 256, (rng.randint(40, 200), rng.randint(40, 200), 3), np.uint8)
    pixels[..., 0] //= 1 + number % 7
    data = cv2.imencode(suffix, pixels)[1]
    score = float(np.float32(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., 0].mean() / 255))
    path = folder / f"part_{number:04d}{suffix}"
    content = data.tobytes()
    pauses = [rng.random() * 0.1 for _ in range(rng.randint(2, 6))]
    if how == "chunks" or suffix != ".bmp":
        pauses[rng.randrange(len(pauses))] = rng.choice((0.05, 3 * SETTLE_S))
    if how == "at once":
        path.write_bytes(content)
    elif how == "renamed":
        hidden = folder / rng.choice((f".{path.name}", f"{path.name}.part"))
        write_slowly(hidden, content, pauses)
        hidden.rename(path)
    else:
        write_slowly(path, content, pauses, size_first=how == "size first")
    return path.name, score, how


def write_slowly(path: Path, content: bytes, pauses: list[float], *, size_first: bool = False) -> None:
    step = -(-len(content) // (len(pauses) + 1))
    with path.open("wb", buffering=0) as file:
        if size_first:
            file.truncate(len(content))
        for number, start in enumerate(range(0, len(content), step)):
            file.write(content[start : start + step])
            if number < len(pauses):
                time.sleep(pauses[number])


def lines(folder: Path) -> int:
    path = folder / "out" / "results.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def compare(folder: Path, expected: dict[str, float]) -> dict[str, int]:
    """How many files have not exactly one line with their score."""
    documents = [json.loads(line) for line in (folder / "out" / "results.jsonl").read_text().splitlines()]
    counts = Counter(document["key"] for document in documents)
    half = [
        document["key"]
        for document in documents
        if document["verdict"] == "failed" or abs(document["part_score"] - expected[document["key"]]) > 1e-6
    ]
    return {
        "twice": sum(count > 1 for count in counts.values()),
        "missing": len(expected.keys() - counts.keys()),
        "half": len(half),
    }


def cost(num_files: int) -> None:
    """What a look at a folder costs in which all files were judged before."""
    with tempfile.TemporaryDirectory() as name:
        for number in range(num_files):
            (Path(name) / f"{number:05d}.png").touch()
        watched = Arrivals(name, {}, Patience(settle_s=1e9))
        list(watched._complete())
        start = time.process_time()
        list(watched._complete())
        print(f"a look at {num_files:,} files: {1e3 * (time.process_time() - start):.0f} ms of processor time")


if __name__ == "__main__":
    main()
