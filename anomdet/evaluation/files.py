"""The files of one evaluation: ``ground_truth.json``, ``predictions.json`` and ``metrics.json`` in one folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from anomdet.atomic import write_text
from anomdet.errors import Problem, UserError

GROUND_TRUTH = "ground_truth.json"
PREDICTIONS = "predictions.json"
METRICS = "metrics.json"


class Evaluation(NamedTuple):
    """What one evaluation writes.

    Attributes:
        ground_truth: COCO dict; category ids are the user's class numbers.
        predictions: COCO results list with ``file_name`` added; boxes xywh in pixels of the original image.
        metrics: what :func:`anomdet.evaluation.summary.evaluate` says.
    """

    ground_truth: dict[str, Any]
    predictions: list[dict[str, Any]]
    metrics: dict[str, Any]


def write_json(path: Path, content: Any, *, indent: int | None = None) -> None:
    """Write strict JSON (no NaN) so that ``path`` is either the old file or the whole new one.

    Floats are written with all their digits: reading gives the same numbers back.
    """
    text = json.dumps(content, indent=indent, allow_nan=False, ensure_ascii=False)
    write_text(path, text + "\n")


def write_evaluation(out_dir: Path, evaluation: Evaluation) -> list[Path]:
    """Write the three files, ``metrics.json`` last; the folder is made if need be. Returns their paths."""
    out_dir.mkdir(parents=True, exist_ok=True)
    write_json(out_dir / GROUND_TRUTH, evaluation.ground_truth)
    write_json(out_dir / PREDICTIONS, evaluation.predictions)
    write_json(out_dir / METRICS, evaluation.metrics, indent=2)
    return [out_dir / GROUND_TRUTH, out_dir / PREDICTIONS, out_dir / METRICS]


def read_evaluation(out_dir: Path) -> Evaluation:
    """Read the three files back.

    Raises:
        UserError: a file is missing or is not JSON of the right kind; all such files at once.
    """
    problems: list[Problem | str] = []
    ground_truth = _read(out_dir / GROUND_TRUTH, dict, problems)
    predictions = _read(out_dir / PREDICTIONS, list, problems)
    metrics = _read(out_dir / METRICS, dict, problems)
    if problems:
        raise UserError(problems)
    return Evaluation(ground_truth, predictions, metrics)


def _read(path: Path, kind: type, problems: list[Problem | str]) -> Any:
    what = "a JSON object" if kind is dict else "a JSON array"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        problems.append(Problem(str(path), what, "no such file", "run `anomdet evaluate` first"))
    except OSError as error:
        problems.append(Problem(str(path), what, error.strerror or str(error)))
    except ValueError as error:
        problems.append(Problem(str(path), what, f"text that is not JSON ({error})"))
    else:
        if isinstance(content, kind):
            return content
        problems.append(Problem(str(path), what, type(content).__name__))
    return None
