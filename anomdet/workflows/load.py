"""``anomdet.load``: a detector from its file alone."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomdet.errors import Problem, UserError
from anomdet.file_hash import sha256
from anomdet.inference.reopen import Origin
from anomdet.layout import EXPORT_MANIFEST

if TYPE_CHECKING:
    from anomdet.inference.artifact import Artifact
    from anomdet.inference.detector import Detector
    from anomdet.inference.exported import Network

# A second and more of every start: torch's compiler, which torchvision's operators import, and sharded training.
_NOT_TO_PREDICT = (
    "torch._dynamo",
    "mmengine._strategy",
    "mmengine.runner._flexible_runner",
    "mmengine.model.wrappers.fully_sharded_distributed",
    "mmengine.optim.optimizer.zero_optimizer",
)
_NETWORKS = (".onnx", ".xml", ".torchscript")
_EXPORTED = (*_NETWORKS, ".bin", ".json")
BACKENDS = ("auto", "torch", "onnx", "openvino")


def load(
    model: str | os.PathLike[str],
    *,
    device: str = "auto",
    backend: str = "auto",
    threshold: float | Mapping[int, float] | None = None,
    custom_file: str | os.PathLike[str] | None = None,
    threads: int | None = None,
) -> Detector:
    """A detector from its file alone, ready to run; nothing is fetched, and no code of the file is run.

    Args:
        model: ``best_model.pth``, or a folder that ``anomdet export`` wrote, which needs no torch.
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda`` or ``cuda:1``.
        backend: ``auto`` (what the model was written for), or one by its name to be sure.
        threshold: least score that rejects a part, one for all or one for each class number; None: the operating point
            in the model.
        custom_file: the Python file of a custom backbone or model, which is run; its hash must be the one in the model.
        threads: of an exported network; None: the runtime decides. PyTorch's own are set by ``torch.set_num_threads``.

    Raises:
        UserError: no such file, not a checkpoint, one without what a detector must know, a device that is not there, or
            an option that means nothing for this model.

    >>> detector = load("best_model.pth")            # doctest: +SKIP
    >>> detector("part.png").verdict                 # doctest: +SKIP
    'reject'
    """
    if backend not in BACKENDS:
        raise UserError(Problem("backend", " or ".join(BACKENDS), repr(backend)))
    if not isinstance(model, (str, os.PathLike)):
        expected = "the path of best_model.pth, or of a folder that anomdet export wrote"
        raise UserError(Problem("model", expected, type(model).__name__))
    if "://" in os.fspath(model):
        raise UserError(Problem("model", "a file or folder on this machine", repr(str(model)), "download it first"))
    path = Path(model).expanduser()
    device = f"cuda:{device}" if type(device) is int else str(device)  # or torch.device, for all backends alike
    _check_options(path, threads, custom_file)
    if path.is_dir():
        detector = _open_folder(path, device, backend, _plain(threshold), threads)
    else:
        _check_file(path, backend)
        detector = torch_detector(open_checkpoint(path, custom_file), device, _plain(threshold))
    code = None if custom_file is None else str(Path(custom_file).expanduser().absolute())
    options = (("device", device), ("backend", backend), ("custom_file", code), ("threads", threads))
    detector.origin = Origin(load, str(path.absolute()), options)
    return detector


def _check_file(path: Path, backend: str) -> None:
    is_whole = (path.parent / EXPORT_MANIFEST).is_file()
    if path.suffix in _EXPORTED and (is_whole or path.suffix in _NETWORKS):
        hint = f"name {path.parent}" if is_whole else "copy the whole folder that anomdet export wrote, and name it"
        raise UserError(Problem(str(path), "the whole exported folder", "a file of it", hint))
    if backend not in ("auto", "torch"):
        hint = "anomdet export writes such a folder"
        raise UserError(Problem(str(path), f"a folder exported for {backend}", "a file", hint))


def _check_options(path: Path, threads: int | None, custom_file: str | os.PathLike[str] | None) -> None:
    """What would be ignored is refused."""
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
        raise UserError(Problem("threads", "a whole number from 1 on, or None", repr(threads)))
    if threads is not None and path.is_file():
        hint = "leave it out; torch.set_num_threads or OMP_NUM_THREADS sets PyTorch's"
        raise UserError(Problem("threads", "a folder that anomdet export wrote", f"{path}, which PyTorch runs", hint))
    if custom_file is not None and path.is_dir():
        hint = "leave it out: an exported network needs no code"
        raise UserError(Problem("custom_file", "a checkpoint", f"the folder {path}", hint))


def _open_folder(path: Path, device: str, backend: str, threshold: Any, threads: int | None) -> Detector:
    """An exported detector; torch is not imported."""
    from anomdet.inference.detector import Detector
    from anomdet.inference.exported import read_manifest
    from anomdet.workflows.scores.exported import open_exported_score

    manifest = read_manifest(path)
    kind = manifest.network.format
    if backend not in ("auto", kind):
        raise UserError(Problem("backend", f"auto or {kind}, for which {path} was exported", repr(backend)))
    network = open_network(path, manifest.network, device, threads)
    normality = open_exported_score(path, manifest, device, threads)
    own = manifest.network.sha256[manifest.network.file]
    return Detector(manifest.artifact, network, file=str(path), sha256=own, threshold=threshold, normality=normality)


def open_network(folder: Path, network: Network, device: str, threads: int | None) -> Any:
    """The backend of an exported network.

    Raises:
        UserError: TorchScript, which is a program: it is opened by ``torch.jit.load`` where its writer is trusted.
    """
    if network.format == "onnx":
        from anomdet.inference.backends.onnx import OnnxBackend

        return OnnxBackend(folder, network, device, threads)
    if network.format == "openvino":
        from anomdet.inference.backends.openvino import OpenVinoBackend

        return OpenVinoBackend(folder, network, device, threads)
    hint = "TorchScript is a program, which AnomDet does not run; docs/export.md shows how to call it"
    raise UserError(Problem(str(folder), "a network for ONNX Runtime or OpenVINO", "TorchScript", hint))


def _plain(threshold: float | Mapping[int, float] | None) -> Any:
    return dict(threshold) if isinstance(threshold, Mapping) else threshold


@dataclass(frozen=True)
class OpenedCheckpoint:
    """A checkpoint as a detector, read once.

    Args:
        path: of the file.
        sha256: of its bytes, in hex.
        artifact: what it knows of itself.
        network: with its weights.
        content: of the file.
    """

    path: Path
    sha256: str
    artifact: Artifact
    network: Any
    content: Mapping[str, Any]


def torch_detector(
    opened: OpenedCheckpoint, device: str, threshold: Any = None, *, with_anomaly: bool = True
) -> Detector:
    """The detector of a checkpoint's network in PyTorch, which from now on belongs to it.

    Args:
        opened: the checkpoint.
        device, threshold: as of :func:`load`.
        with_anomaly: with its normal-only score, if it has one.

    Raises:
        UserError: no such device; or the score in the file is damaged.
    """
    from anomdet.inference.backends.torch import TorchBackend
    from anomdet.inference.detector import Detector
    from anomdet.workflows.scores.in_checkpoint import open_score

    artifact = opened.artifact
    device = _device(device)
    backend = TorchBackend(opened.network, device, channels_last=artifact.model.channels_last)
    normality = open_score(artifact, opened.content, str(opened.path), device) if with_anomaly else None
    if normality is None:
        artifact = replace(artifact, anomaly=None)
    file, sha256 = str(opened.path), opened.sha256
    return Detector(artifact, backend, file=file, sha256=sha256, threshold=threshold, normality=normality)


def open_checkpoint(path: Path, custom_file: str | os.PathLike[str] | None = None) -> OpenedCheckpoint:
    """What a checkpoint knows of itself, and its network with its weights.

    Raises:
        UserError: as :func:`load`.
    """
    _load_libraries()
    from anomdet.engine.checkpoint import load_weights, read_checkpoint
    from anomdet.engine.weights import use_safe_loading
    from anomdet.inference.backends.torch import build_model

    use_safe_loading()  # a user's file may load weights of its own
    file = read_checkpoint(path)
    artifact = read_artifact(file.content, path)
    code = _custom_file(artifact, path, custom_file)
    network = build_model(artifact.model, str(path), code)
    load_weights(network, file.content, path, strict=True)
    if code is None:
        _check_heads(network, artifact, path)
    return OpenedCheckpoint(path, file.sha256, artifact, network, file.content)


def _check_heads(network: Any, artifact: Artifact, path: Path) -> None:
    """A class that the network cannot find would never be, and one that nobody named would end a job in its middle."""
    known = len(artifact.class_nums)
    for name, head in network.named_modules() if known else ():
        found = getattr(head, "num_classes", None)
        if re.fullmatch(r"(?:roi_head\.)?bbox_head(?:\.\d+)?", name) and isinstance(found, int) and found != known:
            hint = "its classes and its network do not belong together; train again"
            raise UserError(Problem(f"{path}: inference", f"a network of {known} classes", f"one of {found}", hint))


def read_artifact(checkpoint: Mapping[str, Any], path: Path) -> Artifact:
    """What a checkpoint knows of itself.

    Raises:
        UserError: nothing, as those of before version 0.2; or something wrong.
    """
    from anomdet.inference.artifact import Artifact

    meta = checkpoint.get("meta")
    content = meta.get("inference") if isinstance(meta, Mapping) else None
    if content is None:
        hint = "another tool wrote it; give best_model.pth of an AnomDet run"
        if isinstance(meta, Mapping) and "anomdet_version" in meta:
            hint = f"an earlier version wrote it: anomdet upgrade {path} --config run.yaml --out new.pth"
        raise UserError(Problem(str(path), "a checkpoint that stands alone", "one without meta['inference']", hint))
    return Artifact.from_dict(content, f"{path}: inference")


def _custom_file(artifact: Artifact, path: Path, given: str | os.PathLike[str] | None) -> Path | None:
    """The user's Python file, which must be the one of the training."""
    from anomdet.inference.backends.torch import runs_a_file

    needed = artifact.model.custom_file
    if not runs_a_file(artifact.model):
        return None
    if needed is None:
        raise UserError(Problem(f"{path}: inference.model.custom_file", "the name and hash of a Python file", "none"))
    if given is None:
        trusted = f"load(..., custom_file={needed.name!r}), or --custom-file"
        hint = f"its code is not in the checkpoint; if you trust the file: {trusted}"
        raise UserError(Problem(str(path), f"the file {needed.name} of {needed.key} beside it", "no custom_file", hint))
    file = Path(given).expanduser()
    if not file.is_file():
        raise UserError(Problem("custom_file", f"the Python file {needed.name}", f"{file}, which is no file"))
    if (found := sha256(file)) != needed.sha256:
        hint = "the network may differ from the trained one; give the file as it was in the training"
        expected = f"{needed.name} of the training (sha256 {needed.sha256[:12]})"
        raise UserError(Problem(str(file), expected, f"another content (sha256 {found[:12]})", hint))
    return file


def _device(wanted: str) -> str:
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(wanted)
    except (RuntimeError, TypeError):
        raise UserError(Problem("device", "auto, cpu, cuda or cuda:<number>", repr(wanted))) from None
    if device.type not in ("cpu", "cuda"):
        raise UserError(Problem("device", "auto, cpu, cuda or cuda:<number>", repr(wanted)))
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        got = f"{torch.cuda.device_count()} GPUs here"
        raise UserError(Problem(f"device {wanted}", "that GPU", got, "device='cpu' runs anywhere"))
    return str(device)


def _load_libraries() -> None:
    """Import what a network needs, and neither data sets nor a Runner, which are a second of every start."""
    import anomdet.registry  # noqa: F401 - supplies mmcv's operators, so it comes first
    from anomdet.workflows.runs.lazy_imports import UNUSED, put_off
    from anomdet.workflows.runs.libraries import keep_freed_memory

    keep_freed_memory()
    if "mmdet.models" in sys.modules:
        return
    with contextlib.redirect_stdout(io.StringIO()), put_off((*UNUSED, *_NOT_TO_PREDICT)):
        import mmdet.models  # noqa: F401

        from anomdet.engine.registered_names import only_registered_names
        from anomdet.models.mmdet_heads import complete_heads

        only_registered_names()
        complete_heads()
