"""Decoders of images against each other: images a second on one core, pixels, and manners with odd files.

    pip install simplejpeg PyTurboJPEG      # peers, for this benchmark only; PyTurboJPEG needs libturbojpeg
    python benchmarks/decode.py [--jpegs ../shared/data/deeppcb/images] [--turbojpeg PATH]

Every decoder gets the bytes of a file and must give what the pipeline works on: uint8 ``(H, W, 3)``, BGR, C-contiguous.
All run in turn in each round, the order turned round each time; the medians of the rounds are told, and the ratio to
plain cv2 within the rounds. Peers that are not installed are left out, and named.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torchvision
from PIL import Image

from anomdet.images.decode import decode_image

DEEPPCB = Path(__file__).parents[2] / "shared" / "data" / "deeppcb" / "images"
Decode = Callable[[bytes], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jpegs", type=Path, default=DEEPPCB)
    parser.add_argument("--turbojpeg", default=None, help="libturbojpeg, if the system has none")
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    decoders = find_decoders(args.turbojpeg)
    print(f"cv2 {cv2.__version__}, torchvision {torchvision.__version__}, one thread")
    for name, files in cases(args.jpegs).items():
        compare_speed(name, files, decoders, args.rounds)
    print("\nodd files: what each decoder gives (shape, type, same pixels as ours) or says")
    for name, file in odd_files().items():
        print(f"  {name}")
        expected = outcome(decode_image_bytes, file)
        for decoder_name, decode in decoders.items():
            print(f"    {decoder_name:12} {describe(outcome(decode, file), expected)}")


def decode_image_bytes(data: bytes) -> np.ndarray:
    return decode_image(np.frombuffer(data, np.uint8))


def find_decoders(libturbojpeg: str | None) -> dict[str, Decode]:
    found: dict[str, Decode] = {
        "anomdet": decode_image_bytes,
        "cv2": lambda data: cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR),
        "torchvision": _torchvision,
    }
    try:
        import simplejpeg

        found["simplejpeg"] = lambda data: simplejpeg.decode_jpeg(data, colorspace="BGR")
    except ImportError as error:
        print(f"left out: simplejpeg ({error})")
    try:
        import turbojpeg

        found["PyTurboJPEG"] = turbojpeg.TurboJPEG(libturbojpeg).decode
    except (ImportError, OSError, RuntimeError) as error:
        print(f"left out: PyTurboJPEG ({error})")
    return found


def _torchvision(data: bytes) -> np.ndarray:
    tensor = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    image_rgb = torchvision.io.decode_image(tensor, torchvision.io.ImageReadMode.RGB).permute(1, 2, 0).numpy()
    if image_rgb.dtype != np.uint8:
        return image_rgb
    return cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR)  # also lays the channels innermost; faster than a NumPy copy


def cases(jpegs: Path) -> dict[str, list[bytes]]:
    found = {}
    if jpegs.is_dir():
        paths = sorted(jpegs.glob("*.jpg"))[:60]
        found[f"{jpegs.parent.name}, {len(paths)} JPEGs"] = [path.read_bytes() for path in paths]
    for size in (640, 4000):
        num = 12 if size == 640 else 2
        for kind, options in (("JPEG", {"quality": 90}), ("PNG", {"compress_level": 3})):
            images = [photo(size, seed) for seed in range(num)]
            found[f"colour {kind} of {size} px, {num} files"] = [encode(image, kind, **options) for image in images]
    return found


def photo(size: int, seed: int) -> np.ndarray:
    """A smooth picture with grain: compresses about as a photograph."""
    rng = np.random.default_rng(seed)
    image = cv2.resize(rng.integers(30, 220, (12, 12, 3), dtype=np.uint8), (size, size), interpolation=cv2.INTER_CUBIC)
    return cv2.add(image, rng.integers(0, 16, image.shape, dtype=np.uint8))


def encode(image: np.ndarray, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


def compare_speed(name: str, files: list[bytes], decoders: dict[str, Decode], num_rounds: int) -> None:
    usable = {key: decode for key, decode in decoders.items() if isinstance(outcome(decode, files[0]), np.ndarray)}
    rates: dict[str, list[float]] = {key: [] for key in usable}
    for number in range(num_rounds + 1):
        for key in list(usable)[:: 1 if number % 2 else -1]:
            start = time.perf_counter()
            for file in files:
                usable[key](file)
            if number:  # the first round is a warm-up
                rates[key].append(len(files) / (time.perf_counter() - start))
    print(f"\n{name}, {sum(map(len, files)) / len(files) / 1024:.0f} KB each")
    print(f"  {'':12}{'images/s':>10}{'to cv2':>9}   pixels that differ from ours, largest difference")
    for key, values in rates.items():
        ratio = statistics.median(mine / cv for mine, cv in zip(values, rates["cv2"], strict=True))
        share, most = difference(usable[key], files)
        print(f"  {key:12}{statistics.median(values):10.1f}{ratio:8.2f}x   {share:.4%}, {most}")


def difference(decode: Decode, files: list[bytes]) -> tuple[float, int]:
    """Share of values that differ, and by how much at most."""
    share, most = 0.0, 0
    for file in files[:6]:
        gap = cv2.absdiff(decode(file), decode_image_bytes(file))
        share += np.count_nonzero(gap) / gap.size / len(files[:6])
        most = max(most, int(gap.max()))
    return share, most


def outcome(decode: Decode, file: bytes) -> np.ndarray | Exception:
    try:
        result = decode(file)
    except Exception as error:  # noqa: BLE001 (what a decoder raises is what is told)
        return error
    return result if result is not None else ValueError("None, no reason given")


def odd_files() -> dict[str, bytes]:
    image = photo(160, 0)[:, :120]
    grey = image[..., 0]
    turned = Image.Exif()
    turned[0x0112] = 6
    whole, deep = encode(image, "JPEG", quality=90), (grey.astype(np.uint16) << 8) + grey
    return {
        "JPEG cut in half": whole[: len(whole) // 2],
        "PNG cut in half": encode(image, "PNG")[:5000],
        "JPEG, EXIF orientation 6": encode(image, "JPEG", quality=90, exif=turned.tobytes()),
        "grey JPEG": encode(grey, "JPEG", quality=90),
        "CMYK JPEG": _cmyk(image),
        "grey PNG of 16 bit": cv2.imencode(".png", deep)[1].tobytes(),
        "PNG with alpha": encode(np.dstack([image, grey]), "PNG"),
        "TIFF": encode(image, "TIFF"),
    }


def _cmyk(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).convert("CMYK").save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def describe(result: np.ndarray | Exception, expected: np.ndarray | Exception) -> str:
    if isinstance(result, Exception):
        return f"refused: {str(result).splitlines()[0][:100] or type(result).__name__}"
    text = f"{result.shape} {result.dtype}"
    if not isinstance(expected, np.ndarray):
        return f"{text}, taken without a word"
    if result.shape != expected.shape or result.dtype != expected.dtype:
        return f"{text}, not as ours"
    most = int(cv2.absdiff(result, expected).max())
    return f"{text}, " + ("the same pixels" if not most else f"differs by up to {most}")


if __name__ == "__main__":
    main()
