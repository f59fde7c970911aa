"""Image files: whether each is whole, and in what they differ from each other."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from anomdet.data.check.findings import Finding
from anomdet.data.image_files import FoundFile, check_image
from anomdet.data.image_headers import BadImageError, Header
from anomdet.data.image_limits import TooLargeImageError

_SUFFIX_KINDS = {".jpg": "jpeg", ".jpeg": "jpeg", ".tif": "tiff", ".tiff": "tiff"}
_MAX_GROUPS = 4


def read_headers(
    data_dir: Path, images: Sequence[FoundFile], *, decode: bool, max_megapixels: float
) -> tuple[list[Header | None], list[Finding]]:
    """Header of each image, None where the file is bad.

    Args:
        data_dir: holds images/.
        images: below it.
        decode: also decode all pixels, in several threads.
        max_megapixels: a larger image is a bad one.
    """
    folder = os.fspath(data_dir / "images")

    def read(image: FoundFile) -> Header | BadImageError:
        if image.special:
            return BadImageError(image.special)
        try:
            return check_image(f"{folder}/{image.name}", decode=decode, max_megapixels=max_megapixels)
        except BadImageError as error:
            return error

    if decode:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            results = list(pool.map(read, images))
    else:
        results = [read(image) for image in images]
    same: dict[Header, Header] = {}  # a hundred thousand images of one kind need one header
    headers = [None if isinstance(result, BadImageError) else same.setdefault(result, result) for result in results]
    findings = [
        _bad_image(image, result)
        for image, result in zip(images, results, strict=True)
        if isinstance(result, BadImageError)
    ]
    return headers, findings + _differences(images, headers)


def _bad_image(image: FoundFile, error: BadImageError) -> Finding:
    where, got = f"images/{image.name}", str(error)
    if image.size == 0 and image.modified_ns and not image.special:
        return Finding("image-empty", where, 0, "a readable image", "a file of zero bytes", "copy it again")
    if "truncated" in got:
        return Finding("image-truncated", where, 0, "a whole image", got, "copy it again")
    if isinstance(error, TooLargeImageError):
        return Finding("image-too-large", where, 0, "an image that fits into memory", got)
    return Finding("image-unreadable", where, 0, "a readable image", got)


def _differences(images: Sequence[FoundFile], headers: Sequence[Header | None]) -> list[Finding]:
    good = [(image, header) for image, header in zip(images, headers, strict=True) if header is not None]
    findings = [
        *_mix(good, "images-mixed-size", lambda header: "{1} x {0} px".format(*header.upright_hw)),
        *_mix(good, "images-mixed-depth", lambda header: f"{header.bit_depth} bit"),
        *_mix(good, "images-mixed-channels", _channels),
    ]
    for image, header in good:
        where = f"images/{image.name}"
        if header.orientation != 1:
            got = f"EXIF orientation {header.orientation}"
            hint = "boxes must fit the image as viewers show it"
            findings.append(Finding("image-turned", where, 0, "pixels stored upright", got, hint))
        if _SUFFIX_KINDS.get(image.suffix, image.suffix[1:]) != header.kind:
            findings.append(Finding("image-suffix", where, 0, f"a {image.suffix[1:]} file", f"a {header.kind} file"))
    return findings


def _channels(header: Header) -> str | None:
    return {1: "grey", 2: "grey and alpha", 3: "colour", 4: "colour and alpha"}.get(header.num_channels)


def _mix(
    good: Sequence[tuple[FoundFile, Header]], code: str, key: Callable[[Header], Hashable | None]
) -> list[Finding]:
    """A finding for each rarer group, at its first image; of many groups one finding for all."""
    keys = [key(header) for _, header in good]
    groups = Counter(name for name in keys if name is not None).most_common()
    if len(groups) < 2:
        return []
    (usual, num_usual), *others = groups
    first_of = {name: image.name for name, (image, _) in reversed(list(zip(keys, good, strict=True)))}
    expected = f"{usual}, as {num_usual} of {len(good)} images"
    if len(others) > _MAX_GROUPS:
        rest = sum(count for _, count in others)
        where = f"images/{first_of[others[0][0]]}"
        return [Finding(code, where, 0, expected, f"{len(others)} other kinds in {rest} images, this the commonest")]
    return [
        Finding(
            code,
            f"images/{first_of[name]}",
            0,
            expected,
            f"{name} here" + (f" and in {count - 1} more images" if count > 1 else ""),
        )
        for name, count in others
    ]
