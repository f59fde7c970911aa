"""``anomdet export``: a checkpoint to ONNX or OpenVINO, refused where it does not decide as the checkpoint does."""

from __future__ import annotations

import json
import logging
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomdet.config.load import SettingsSource
from anomdet.errors import Problem, UserError
from anomdet.layout import EXPORT_MANIFEST, PARITY, TRITON_DIR
from anomdet.outputs import write_text
from anomdet.workflows.exports.source import ExportOptions, Source, open_source

if TYPE_CHECKING:
    from anomdet.exporting.parity import Parity
    from anomdet.inference.exported import Manifest
    from anomdet.workflows.exports.images import ParityImages

FORMATS = ("onnx", "openvino", "torchscript")
NMS = ("inside", "outside")
_log = logging.getLogger("anomdet")


@dataclass(frozen=True)
class Exported:
    """What an export wrote.

    Args:
        folder: for :func:`anomdet.load` and ``anomdet predict``.
        manifest: its document.
        parity: the comparison with the checkpoint.
        seconds: the whole export took.
        written: the files.
    """

    folder: Path
    manifest: Manifest
    parity: Parity
    seconds: float
    written: list[Path]

    def summary(self) -> str:
        """What the comparison found, in two lines."""
        found, network = self.parity, self.manifest.network
        size = sum((self.folder / name).stat().st_size for name in self.manifest.sha256)
        lines = [f"{network.format} {network.precision}, {size / 1e6:.1f} MB, in {self.seconds:.0f} s"]
        if network.precision == "fp32":
            lines.append(
                f"compared on {found.num_images} images: every verdict equal; {found.num_rows:,} detections, "
                f"{found.num_unmatched} without a partner, boxes within {found.worst_box_px:.2g} px, "
                f"scores within {found.worst_score:.1g}"
            )
        if found.mean_ap is not None:
            lines.append(f"mAP from score 0.05 on: checkpoint {found.mean_ap[0]:.4f}, exported {found.mean_ap[1]:.4f}")
        return "\n".join(lines)


def export(
    checkpoint: str | Path,
    out: str | Path,
    *,
    settings: SettingsSource | None = None,
    images: str | Path | None = None,
    options: ExportOptions | None = None,
) -> Exported:
    """Export a detector, and compare it with its checkpoint on images of yours.

    Args:
        checkpoint: ``best_model.pth``.
        out: a new or empty folder.
        settings: of the run: its validation split is compared, mAP included; or
        images: a folder of images to compare on.
        options: how.

    Raises:
        UserError: anything wrong with what the user gave; the network cannot be exported; or the exported one decides
            otherwise: the folder then holds the report of the comparison and nothing else.

    >>> anomdet.export("best_model.pth", "exported", settings="run.yaml").parity.passed  # doctest: +SKIP
    True
    """
    started = time.monotonic()
    options, folder = options or ExportOptions(), Path(out)
    _check(options, folder, settings, images)
    from anomdet.workflows.exports.formats import write_page
    from anomdet.workflows.exports.images import parity_images

    source = open_source(Path(checkpoint), options)
    compared = parity_images(settings, images, source.detector, options.max_images)
    _log.info(f"exporting {checkpoint} to {options.format}; then comparing on {len(compared.prepared)} images")
    folder.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".export_", dir=folder))
    try:
        manifest, parity = _make(source, compared, temporary, options)
        if parity.passed:
            parity = _timed(source, manifest, parity, compared, temporary)
        _place(temporary, folder, manifest, parity)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    written = [folder / EXPORT_MANIFEST, *(folder / name for name in manifest.sha256), folder / PARITY]
    written.append(write_page(folder, manifest, parity, source.path.stat().st_size))
    if options.triton is not None:
        from anomdet.exporting.triton import write_repository

        if manifest.unseen is not None:
            _log.warning("--triton: the repository judges by the boxes alone; it lacks the normal-only score")
        written += write_repository(folder, manifest.network, folder / TRITON_DIR, options.triton)
    return Exported(folder, manifest, parity, time.monotonic() - started, written)


def _check(options: ExportOptions, folder: Path, settings: Any, images: Any) -> None:
    problems = []
    for name, value, allowed in (("--format", options.format, FORMATS), ("--nms", options.nms, NMS)):
        if value not in allowed:
            problems.append(Problem(name, f"one of {', '.join(allowed)}", repr(value)))
    if options.int8 and options.format != "openvino":
        problems.append(Problem("--int8", "--format openvino", f"--format {options.format}"))
    problems += _image_problems(options, settings, images)
    if options.triton is not None and options.format == "torchscript":
        problems.append(Problem("--triton", "--format onnx or openvino", "--format torchscript"))
    if options.triton is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", options.triton):
        expected = "a model's name of letters, digits, dot, dash and underscore"
        problems.append(Problem("--triton", expected, repr(options.triton)))
    if folder.exists() and (not folder.is_dir() or any(path.name != PARITY for path in folder.iterdir())):
        got = f"{folder}, {'one that holds something' if folder.is_dir() else 'a file'}"
        problems.append(Problem("--out", "a new or empty folder", got, "nothing was overwritten"))
    if problems:
        raise UserError(problems)


def _image_problems(options: ExportOptions, settings: Any, images: Any) -> Iterator[Problem]:
    """What is wrong with where the images of the comparison are to come from."""
    if options.int8 and settings is None:
        hint = "its training images calibrate, its validation images choose the threshold again"
        yield Problem("--int8", "--config, the settings of the run", "none", hint)
    if settings is None and images is None:
        hint = "an export is compared with its checkpoint on images of yours, and refused where they differ"
        yield Problem("--config", "the settings of the run, or --images DIR", "neither", hint)
    if settings is not None and images is not None:
        hint = "--config compares on the validation split of the run, --images on a folder"
        yield Problem("--config", "the settings of the run, or --images DIR", "both", hint)


def _make(source: Source, compared: ParityImages, folder: Path, options: ExportOptions) -> tuple[Manifest, Parity]:
    """Write the network into a folder and compare it."""
    from anomdet.exporting.writers import write
    from anomdet.workflows.exports.parity import check_parity
    from anomdet.workflows.scores.exported import with_score_files

    manifest = source.write(write, folder, options, compared.example(source))
    manifest = with_score_files(source.detector.normality, manifest, folder)  # type: ignore[arg-type]
    if options.int8:
        from anomdet.workflows.exports.int8 import quantise

        return quantise(source, manifest, compared, folder)
    return manifest, check_parity(source, manifest, compared, folder)


def _timed(source: Source, manifest: Manifest, parity: Parity, images: ParityImages, folder: Path) -> Parity:
    """The comparison, with the speed of both."""
    from anomdet.workflows.exports.formats import timed
    from anomdet.workflows.exports.parity import open_exported

    # One thread: those that wait for each other spin, which is processor time, too.
    both = (source.detector, open_exported(source, manifest, folder, threads=1))
    first, second = (timed(detector, images.prepared) for detector in both)
    return replace(parity, ms=(first, second))


def _place(temporary: Path, folder: Path, manifest: Manifest, parity: Parity) -> None:
    """Move what passed into its place, the manifest last: a folder with one is whole."""
    report = json.dumps(parity.to_dict(), indent=2) + "\n"
    write_text(folder / PARITY, report)
    if not parity.passed:
        hint = f"first difference: {parity.stage}; nothing was exported, {folder / PARITY} names the images"
        got = "; ".join(parity.reasons)
        raise UserError(Problem("export", "the decisions of the checkpoint", got, hint))
    for name in manifest.sha256:
        (temporary / name).replace(folder / name)
    manifest = replace(manifest, parity=parity.to_dict())
    write_text(folder / EXPORT_MANIFEST, json.dumps(manifest.to_dict(), indent=2, allow_nan=False) + "\n")
