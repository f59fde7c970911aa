"""What lies beside an exported network: the manifest of a folder that decides as its checkpoint did.

One JSON file, which may come from a stranger: every value is checked, files are named without a folder and must have
the hash that stands in the manifest, and nothing in it is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from anomdet import file_hash
from anomdet.errors import Problem, UserError
from anomdet.fields import (
    checked,
    flag,
    from_mapping,
    integer,
    mapping,
    number,
    one_of,
    optional,
    plain,
    shown,
    text,
)
from anomdet.inference.artifact import Artifact
from anomdet.layout import BEST, EXPORT_MANIFEST
from anomdet.strict_files import parse_json, read_regular

EXPORT_VERSION = 1
_MAX_BYTES = 64 * 2**20
_SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "torchscript": ".torchscript"}
_SIZE = "two integers, height and width, or null"


@dataclass(frozen=True)
class Network:
    """The exported network.

    Args:
        format: ``onnx``, ``openvino`` or ``torchscript``.
        precision: ``fp32`` or ``int8``.
        file: the one to open.
        sha256: file name to hash, of all that belong to it.
        with_nms: whether suppression is inside.
        iou_threshold: of the suppression; None: the network needs none.
        max_kept: detections of an image at most.
        floor: no score at or below it is reported.
        fixed_hw: the only padded size that it takes; None: any multiple of the padding.
        one_image: it takes one image at a time.
    """

    format: Literal["onnx", "openvino", "torchscript"] = field(
        metadata=checked("onnx, openvino or torchscript", one_of("onnx", "openvino", "torchscript"))
    )
    precision: Literal["fp32", "int8"] = field(metadata=checked("fp32 or int8", one_of("fp32", "int8")))
    file: str = field(metadata=checked("a file's name without a folder", lambda value: _file_name(value)))
    sha256: dict[str, str] = field(
        metadata=checked("names of files to their hashes", mapping(lambda value: _file_name(value), text))
    )
    with_nms: bool = field(metadata=checked("true or false", flag))
    iou_threshold: float | None = field(metadata=checked("a number, or null", optional(number)))
    max_kept: int = field(metadata=checked("an integer >= 1", partial(integer, least=1)))
    floor: float = field(metadata=checked("a number from 0, below 1", lambda value: _floor(value)))
    fixed_hw: tuple[int, int] | None = field(
        default=None, metadata=checked(_SIZE, optional(lambda value: _size_hw(value)))
    )
    one_image: bool = field(default=False, metadata=checked("true or false", flag))


@dataclass(frozen=True)
class ScoreFiles:
    """The normal-only score beside the network, for the same runtime.

    Args:
        file: the graph of its frozen backbone.
        arrays: of the normal images, NumPy's ``.npz``.
        sha256: file name to hash, of all that belong to it.
    """

    file: str = field(metadata=checked("a file's name without a folder", lambda value: _file_name(value)))
    arrays: str = field(metadata=checked("a file's name without a folder", lambda value: _file_name(value)))
    sha256: dict[str, str] = field(
        metadata=checked("names of files to their hashes", mapping(lambda value: _file_name(value), text))
    )


@dataclass(frozen=True)
class Manifest:
    """Everything of an exported detector but its weights.

    Args:
        artifact: classes, preprocessing, operating point: as in the checkpoint, but for thresholds chosen again.
        network: the files, and what the host does with their outputs.
        checkpoint_sha256: of the file it was made from.
        parity: what the comparison with the checkpoint found.
        licence: of the weights, for whoever gets the folder.
        unseen: the normal-only score; None: there is none.
        version: of this document.
    """

    artifact: Artifact
    network: Network
    checkpoint_sha256: str
    parity: dict[str, Any]
    licence: str
    unseen: ScoreFiles | None = None
    version: int = EXPORT_VERSION

    @property
    def sha256(self) -> dict[str, str]:
        """File name to hash, of all files but the manifest."""
        return {**self.network.sha256, **(self.unseen.sha256 if self.unseen else {})}

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold."""
        return {
            "version": self.version,
            "network": _without_defaults(self.network),
            "unseen": asdict(self.unseen) if self.unseen else None,
            "checkpoint_sha256": self.checkpoint_sha256,
            "parity": self.parity,
            "licence": self.licence,
            "artifact": self.artifact.to_dict(),
        }

    @classmethod
    def from_dict(cls, content: Any, where: str) -> Manifest:
        """The document of a folder; it may come from a stranger.

        Raises:
            UserError: all that is wrong with it, or it was written by a newer AnomDet.
        """
        if not isinstance(content, Mapping):
            raise UserError(Problem(where, "the manifest of an exported detector", type(content).__name__))
        version = content.get("version")
        if version != EXPORT_VERSION:
            hint = "it was written by another version of AnomDet: install that one, or export again"
            raise UserError(Problem(f"{where}: version", str(EXPORT_VERSION), shown(version), hint))
        artifact = Artifact.from_dict(with_numbers(content.get("artifact")), f"{where}: artifact")
        network = from_mapping(Network, content.get("network"), f"{where}: network")
        _check_graph(network.format, network.file, network.sha256, f"{where}: network")
        unseen = _score_files(content.get("unseen"), f"{where}: unseen", artifact)
        if unseen is not None:
            _check_graph(network.format, unseen.file, unseen.sha256, f"{where}: unseen")
        parity = content.get("parity")
        return cls(
            artifact,
            network,
            str(content.get("checkpoint_sha256", "")),
            plain(parity) if isinstance(parity, Mapping) else {},
            str(content.get("licence", "")),
            unseen,
        )


def _without_defaults(network: Network) -> dict[str, Any]:
    """Keys that came later only where they say something: earlier versions open the folder, too."""
    content = asdict(network)
    if not network.one_image:
        del content["one_image"]
    return content


def _check_graph(kind: str, name: str, sha256: Mapping[str, str], where: str) -> None:
    """A runtime chooses its reader by a graph's suffix, and OpenVINO opens the file of weights beside it unasked."""
    suffix = _SUFFIXES[kind]
    if not name.endswith(suffix):
        raise UserError(Problem(f"{where}.file", f"a name that ends in {suffix}", repr(name), "export again"))
    opened = [name, f"{name.removesuffix(suffix)}.bin"] if kind == "openvino" else [name]
    if lacking := [one for one in opened if one not in sha256]:
        raise UserError(Problem(f"{where}.sha256", f"the hash of {', '.join(lacking)}", "none", "export again"))


def _score_files(content: Any, where: str, artifact: Artifact) -> ScoreFiles | None:
    """Those of a detector that has the score: without them, parts would pass that the checkpoint rejects."""
    if content is None and artifact.anomaly is None:
        return None
    if content is None or artifact.anomaly is None:
        expected = (
            "the files of the normal-only score" if content is None else "null, as the artifact has no such score"
        )
        raise UserError(Problem(where, expected, "null" if content is None else "files", "export again"))
    files = from_mapping(ScoreFiles, content, where)
    if files.arrays not in files.sha256:
        raise UserError(Problem(f"{where}.sha256", f"the hash of {files.arrays}", "none"))
    return files


def with_numbers(artifact: Any) -> Any:
    """JSON turns the class numbers of the thresholds into text; here they are numbers again."""
    if not isinstance(artifact, Mapping) or not isinstance(artifact.get("operating_point"), Mapping):
        return artifact
    point = dict(artifact["operating_point"])
    if isinstance(point.get("per_class"), Mapping):
        point["per_class"] = {_as_number(key): value for key, value in point["per_class"].items()}
    return {**artifact, "operating_point": point}


def _as_number(key: Any) -> Any:
    try:
        return int(key)
    except (TypeError, ValueError):
        return key


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder, its files checked against their hashes.

    Raises:
        UserError: no manifest, a wrong one, or a file that is missing or another one.
    """
    path = folder / EXPORT_MANIFEST
    if not path.is_file():
        got = "none in it" if folder.is_dir() else "nothing there"
        hint = f"name {folder / BEST}" if (folder / BEST).is_file() else ""
        raise UserError(Problem(str(folder), f"a folder that anomdet export wrote, with {EXPORT_MANIFEST}", got, hint))
    if path.stat().st_size > _MAX_BYTES:
        raise UserError(Problem(str(path), f"at most {_MAX_BYTES >> 20} MB", f"{path.stat().st_size:,} bytes"))
    try:
        content = parse_json(read_regular(path))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise UserError(Problem(str(path), "JSON", f"text that is not ({error})")) from error
    manifest = Manifest.from_dict(content, str(path))
    problems = [problem for name, sha in manifest.sha256.items() if (problem := _wrong(folder / name, sha))]
    if problems:
        raise UserError(problems)
    return manifest


def _wrong(path: Path, sha256: str) -> Problem | None:
    if not path.is_file():
        return Problem(str(path), "a file of the exported network", "nothing there", "copy the whole folder")
    found = file_hash.sha256(path)
    hint = "the file was changed or cut; export again"
    return None if found == sha256 else Problem(str(path), f"the hash {sha256[:12]}", found[:12], hint)


def _file_name(value: Any) -> str:
    name: str = text(value)
    if not name or name in (".", "..") or any(mark in name for mark in "/\\:\0"):
        raise ValueError(value)
    return name


def _floor(value: Any) -> float:
    """One at 1 would let every part pass."""
    floor = number(value)
    if not 0.0 <= floor < 1.0:
        raise ValueError(value)
    return floor


def _size_hw(value: Any) -> tuple[int, int]:
    height, width = value
    return integer(height, least=1, most=2**16), integer(width, least=1, most=2**16)
