"""Damaged image files to the header and the decoder, in this process: its memory and the time of each are limited.

    python tests/unit/images/fuzz_images.py --num 20000 --seed 1

Prints the number of the file before each try, so that a crash can be repeated by ``--first NUMBER --num 1``; at the end
the outcomes as JSON. Any exception but BadImageError ends it.
"""

from __future__ import annotations

import argparse
import json
import resource
import signal
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

import cv2
import numpy as np

from anomdet.images.decode import decode_image
from anomdet.images.headers import BadImageError, read_header
from tests.unit.images.image_samples import ORIENTED_FORMATS, encoded, oriented
from tests.unit.images.image_variants import all_variants

MEMORY_BYTES = 512 * 2**20
SECONDS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    samples = [variant.data for variant in all_variants()]
    samples += [oriented(kind, 6) for kind in ORIENTED_FORMATS] + [encoded("JPEG", progressive=True)]
    for data in samples[:1]:
        outcome_of(data)  # what is loaded at first use is not to count
    limit_memory()
    signal.signal(signal.SIGALRM, too_long)
    outcomes: Counter[str] = Counter()
    for number in range(args.first, args.first + args.num):
        sys.stdout.write(f"{number}\r")
        sys.stdout.flush()
        data = damaged(samples, np.random.default_rng([args.seed, number]))
        signal.alarm(SECONDS)
        outcomes[outcome_of(data)] += 1
        signal.alarm(0)
    sys.stdout.write(f"\n{json.dumps(outcomes)}\n")


def limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def too_long(*_: object) -> None:
    raise TimeoutError(f"more than {SECONDS} s")


def damaged(samples: list[bytes], rng: np.random.Generator) -> bytes:
    """One of the files with some bytes changed, put in, left out or cut off; mostly near its start."""
    data = bytearray(samples[rng.integers(len(samples))])
    for _ in range(rng.integers(1, 6)):
        near = rng.random() < 0.7
        at = int(rng.integers(2, max(3, min(len(data), 300) if near else len(data))))
        kind = rng.integers(6)
        if kind == 0:
            data[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\x80\0\0\0"])
        elif kind == 1:
            del data[at : at + int(rng.integers(1, 20))]
        elif kind == 2:
            data[at:at] = rng.bytes(int(rng.integers(1, 20)))
        elif kind == 3 and rng.random() < 0.2:
            del data[at:]
        else:
            data[at : at + 1] = rng.bytes(1)
    return bytes(data)


def outcome_of(data: bytes) -> str:
    try:
        header = read_header(lambda offset, size: data[offset : offset + size], len(data))
    except BadImageError:
        return "refused by the header"
    try:
        pixels = decode_image(np.frombuffer(data, np.uint8), max_megapixels=10)
    except BadImageError:
        return "refused when decoded"
    assert pixels.dtype == np.uint8 and pixels.shape == (*header.upright_hw, 3)
    return "read"


if __name__ == "__main__":
    main()
