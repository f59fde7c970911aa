"""What an export starts from: the checkpoint's detector and the graph around the same network."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomdet.errors import Problem, UserError
from anomdet.file_hash import sha256

if TYPE_CHECKING:
    from anomdet.exporting.graph import Graph
    from anomdet.inference.detector import Detector
    from anomdet.inference.exported import Manifest

_log = logging.getLogger("anomdet")
_LICENCE = "not stated: the weights' own licence, of the data and of what they were pretrained on, applies"


@dataclass(frozen=True)
class ExportOptions:
    """How to export.

    Args:
        format: ``onnx``, ``openvino`` or ``torchscript``.
        int8: quantise with OpenVINO's NNCF; the operating point is chosen again.
        nms: ``inside`` the graph, or ``outside``: the host suppresses.
        route: of torch's two exporters: ``torchscript`` or ``dynamo``.
        licence: a sentence on the weights for whoever gets the folder.
        custom_file: the Python file of a custom backbone or model.
        max_images: of the comparison.
        triton: a model's name: a model repository for NVIDIA Triton is written, too.
    """

    format: str = "onnx"
    int8: bool = False
    nms: str = "inside"
    route: str = "torchscript"
    licence: str = ""
    custom_file: str | None = None
    max_images: int = 500
    triton: str | None = None


@dataclass(frozen=True)
class Source:
    """A checkpoint, open for an export.

    Args:
        path: of the checkpoint.
        detector: as :func:`anomdet.load` gives it.
        graph: around the same network.
    """

    path: Path
    detector: Detector
    graph: Graph

    def write(
        self, write: Callable[..., list[str]], folder: Path, options: ExportOptions, example: tuple[Any, ...]
    ) -> Manifest:
        """Write the network's files; returns the manifest that fits them, not written yet.

        Raises:
            UserError: the tracer refuses the network.
        """
        from anomdet.inference.exported import Manifest, Network

        try:
            names = write(self.graph, folder, options.format, example, route=options.route)
        except Exception as error:
            got = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise UserError(
                Problem(str(self.path), "a network that torch can trace", got, "--debug shows where")
            ) from error
        finder = self.graph.finder
        network = Network(
            format=options.format,  # type: ignore[arg-type]  # checked before
            precision="fp32",
            file=names[0],
            sha256={name: sha256(folder / name) for name in names},
            with_nms=self.graph.with_nms,
            iou_threshold=finder.iou_threshold,
            max_kept=finder.max_kept,
            floor=finder.floor,
            fixed_hw=tuple(example[0].shape[1:3]) if self.graph.is_fixed else None,
            one_image=bool(finder.takes_one_image),
        )
        licence = options.licence or _LICENCE
        return Manifest(self.detector.artifact, network, self.detector.sha256, {}, licence)


def open_source(path: Path, options: ExportOptions) -> Source:
    """The detector and the graph of a checkpoint.

    Raises:
        UserError: no checkpoint, or a network of a kind that cannot be exported.
    """
    from anomdet.workflows.load import open_checkpoint, torch_detector

    opened = open_checkpoint(path, options.custom_file)
    is_dropped = opened.artifact.anomaly is not None and options.format == "torchscript"
    if is_dropped:
        _log.warning(f"{path}: its normal-only score does not go into TorchScript, which judges by the boxes alone")
    from anomdet.exporting.graph import Graph

    # First: the backend takes the head's suppression over, of which the graph reads the settings.
    graph = Graph(opened.network, opened.artifact.preprocessing, str(path), with_nms=options.nms == "inside").eval()
    tta = opened.artifact.tta
    if graph.is_fixed and tta is not None and tta.scales:
        hint = "anomdet upgrade writes a checkpoint with another evaluation.tta: flips alone, or false"
        got = f"evaluation.tta: {tta}"
        raise UserError(Problem(str(path), "views of one size: the exported network takes no other", got, hint))
    if tta is not None and (options.triton is not None or options.format == "torchscript"):
        _log.warning(f"{path}: {tta}: whoever calls the network without AnomDet must look so often, and merge, too")
    return Source(path, torch_detector(opened, "cpu", with_anomaly=not is_dropped), graph)
