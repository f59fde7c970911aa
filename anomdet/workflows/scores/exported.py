"""The normal-only score of an exported detector: its files, and how it is opened without torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomdet.errors import Problem, UserError
from anomdet.file_hash import sha256
from anomdet.inference.exported import Manifest, ScoreFiles

if TYPE_CHECKING:
    from anomdet.anomaly.scorer import Scorer

_ARRAYS = "unseen.npz"


def with_score_files(scorer: Scorer | None, manifest: Manifest, folder: Path) -> Manifest:
    """Write the score beside a network that was just written; returns the manifest that names its files, too.

    Args:
        scorer: of the checkpoint; None: it has none.
        manifest: of the network.
        folder: of its files.
    """
    if scorer is None:
        return manifest
    from anomdet.anomaly.features import TorchFeatures
    from anomdet.anomaly.graph_features import write_arrays
    from anomdet.exporting.features import write_features

    assert isinstance(scorer.features, TorchFeatures)
    names = write_features(scorer.features.network, scorer.info.image_size, folder, manifest.network.format)
    write_arrays(folder / _ARRAYS, scorer.arrays())
    hashes = {name: sha256(folder / name) for name in (*names, _ARRAYS)}
    return replace(manifest, unseen=ScoreFiles(names[0], _ARRAYS, hashes))


def open_exported_score(folder: Path, manifest: Manifest, device: str, threads: int | None) -> Scorer | None:
    """The score of an exported detector; None: it has none. Torch is not imported.

    Raises:
        UserError: its files are damaged, or the runtime is not installed.
    """
    files, info = manifest.unseen, manifest.artifact.anomaly
    if files is None or info is None:
        return None
    from anomdet.anomaly.graph_features import GraphFeatures, read_arrays
    from anomdet.anomaly.scorer import scorer_of

    features = GraphFeatures(_graph(folder / files.file, manifest.network.format, device, threads))
    try:
        return scorer_of(info, read_arrays(folder / files.arrays), features)
    except (KeyError, ValueError, TypeError) as error:
        expected = "the arrays of the normal-only score"
        raise UserError(
            Problem(str(folder / files.arrays), expected, "others, or damaged ones", "export again")
        ) from error


def _graph(path: Path, kind: str, device: str, threads: int | None) -> Callable[..., Any]:
    if kind == "onnx":
        from anomdet.inference.backends.onnx import open_graph

        return open_graph(path, device, threads)
    from anomdet.inference.backends.openvino import open_graph as open_in_openvino

    return open_in_openvino(path, device, threads)
