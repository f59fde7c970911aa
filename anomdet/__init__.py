"""AnomDet: train, evaluate and ship detectors of visual anomalies. Importing it costs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anomdet.config.load import load_settings as load_settings
    from anomdet.config.schema import Settings as Settings
    from anomdet.errors import Problem as Problem
    from anomdet.errors import UserError as UserError
    from anomdet.inference.detector import Detector as Detector
    from anomdet.inference.result import Result as Result
    from anomdet.workflows.check import check as check
    from anomdet.workflows.compare import compare as compare
    from anomdet.workflows.convert import convert as convert
    from anomdet.workflows.evaluate import evaluate as evaluate
    from anomdet.workflows.evaluate_files import evaluate_files as evaluate_files
    from anomdet.workflows.export import export as export
    from anomdet.workflows.exports.source import ExportOptions as ExportOptions
    from anomdet.workflows.leave_class_out import leave_class_out as leave_class_out
    from anomdet.workflows.load import load as load
    from anomdet.workflows.predict import predict as predict
    from anomdet.workflows.predictions.job import PredictJob as PredictJob
    from anomdet.workflows.propose import propose_settings as propose_settings
    from anomdet.workflows.review import apply_decisions as apply_decisions
    from anomdet.workflows.review import review as review
    from anomdet.workflows.review_unlabelled import choose_to_label as choose_to_label
    from anomdet.workflows.tile import tile as tile
    from anomdet.workflows.train import train as train

__version__ = "0.1.0"

# Public name to where it stands; imported at its first use (PEP 562).
_WHERE = {
    "Detector": "anomdet.inference.detector",
    "ExportOptions": "anomdet.workflows.exports.source",
    "PredictJob": "anomdet.workflows.predictions.job",
    "Problem": "anomdet.errors",
    "Result": "anomdet.inference.result",
    "Settings": "anomdet.config.schema",
    "UserError": "anomdet.errors",
    "apply_decisions": "anomdet.workflows.review",
    "check": "anomdet.workflows.check",
    "choose_to_label": "anomdet.workflows.review_unlabelled",
    "compare": "anomdet.workflows.compare",
    "convert": "anomdet.workflows.convert",
    "evaluate": "anomdet.workflows.evaluate",
    "evaluate_files": "anomdet.workflows.evaluate_files",
    "export": "anomdet.workflows.export",
    "leave_class_out": "anomdet.workflows.leave_class_out",
    "load": "anomdet.workflows.load",
    "load_settings": "anomdet.config.load",
    "predict": "anomdet.workflows.predict",
    "propose_settings": "anomdet.workflows.propose",
    "review": "anomdet.workflows.review",
    "tile": "anomdet.workflows.tile",
    "train": "anomdet.workflows.train",
}
__all__ = ["__version__", *sorted(_WHERE)]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'anomdet' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])
