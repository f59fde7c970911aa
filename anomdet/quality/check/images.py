"""Image files: whether each is whole, and in what they differ from each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence

from anomdet.data.index.files import FoundFile
from anomdet.images.headers import BadImageError, Header
from anomdet.images.limits import TooLargeImageError
from anomdet.quality.check.findings import Finding

_SUFFIX_KINDS = {"jpg": "jpeg", "tif": "tiff"}
_MAX_GROUPS = 4


def judge_headers(
    images: Sequence[FoundFile], read: Sequence[Header | BadImageError], num_empty_labels: int = 0
) -> tuple[list[Header | None], list[Finding]]:
    """Header of each image, None where the file is bad; and what is wrong or worth a look.

    Args:
        images: below images/.
        read: what was read of each; equal headers are one object.
        num_empty_labels: label files of zero bytes: what emptied an image may have emptied them, too.
    """
    headers = [None if isinstance(header, BadImageError) else header for header in read]
    also = f"; {num_empty_labels} label files of zero bytes count as normal parts: see whether they are"
    hint = f"copy it again{also if num_empty_labels else ''}"
    findings = [
        _bad_image(image, error, hint)
        for image, error in zip(images, read, strict=True)
        if isinstance(error, BadImageError)
    ]
    return headers, findings + _differences(images, headers)


def _bad_image(image: FoundFile, error: BadImageError, hint_of_empty: str) -> Finding:
    where, got = f"images/{image.name}", str(error)
    if image.size == 0 and image.modified_ns and not image.special:
        return Finding("image-empty", where, 0, "a readable image", "a file of zero bytes", hint_of_empty)
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
        suffix = image.name[image.name.rfind(".") + 1 :].lower()
        if header.orientation != 1:
            got = f"EXIF orientation {header.orientation}"
            hint = "boxes must fit the image as viewers show it"
            findings.append(Finding("image-turned", f"images/{image.name}", 0, "pixels stored upright", got, hint))
        if _SUFFIX_KINDS.get(suffix, suffix) != header.kind:
            findings.append(
                Finding("image-suffix", f"images/{image.name}", 0, f"a {suffix} file", f"a {header.kind} file")
            )
    return findings


def _channels(header: Header) -> str | None:
    if header.is_cmyk:
        return "CMYK, the inks of a print"
    return {1: "grey", 2: "grey and alpha", 3: "colour", 4: "colour and alpha"}.get(header.num_channels)


def _mix(
    good: Sequence[tuple[FoundFile, Header]], code: str, key: Callable[[Header], Hashable | None]
) -> list[Finding]:
    """A finding for each rarer group, at its first image; of many groups one finding for all."""
    told = {id(header): key(header) for header in {id(header): header for _, header in good}.values()}
    keys = [told[id(header)] for _, header in good]
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
