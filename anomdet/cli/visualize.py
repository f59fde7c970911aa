"""``anomdet visualize``: ground truth and predictions side by side, one picture an image."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anomdet.cli.run_config import load_run

SHEET = "contact_sheet.jpg"


def visualize(
    config_path: str | Path,
    overrides: Sequence[str] = (),
    *,
    split: str = "test",
    checkpoint: str | Path | None = None,
    out: str | Path | None = None,
    limit: int = 32,
) -> list[Path]:
    """Draw up to ``limit`` images of a split, spread evenly over it, and a contact sheet.

    Returns:
        The contact sheet and the folder of the pictures.

    Raises:
        UserError: anything wrong with what the user gave.
    """
    check_limit(limit)
    run = load_run(config_path, overrides)
    from anomdet.cli.prepare import load_libraries

    load_libraries()
    from anomdet.cli.evaluate import build_tester, own_metric, with_checkpoint
    from anomdet.engine.outputs import make_folder, move_aside
    from anomdet.evaluation.files import read_evaluation

    with run.blamed(), tempfile.TemporaryDirectory() as results:
        config, _ = with_checkpoint(run.config, split, checkpoint)
        make_folder(config.work_dir, "logging.log_dir")
        folder = make_folder(out or Path(config.work_dir) / "visualization", "--out")
        _thin_out(config.test_dataloader.dataset, limit)
        own_metric(config).out_dir = results
        runner = build_tester(config)
        runner.test()
        found = read_evaluation(Path(results))
    moved = move_aside(folder, sorted(path.name for path in folder.iterdir() if path.suffix == ".jpg"))
    if moved:
        runner.logger.info(f"earlier pictures were moved to {moved}")
    images_dir = Path(config.test_dataloader.dataset.data_root) / "images"
    pictures = _draw_all(found, images_dir, folder, own_metric(config).score_threshold)
    runner.logger.info(f"drew {len(pictures)} images of the {split} split; score >= {found.metrics['score_threshold']}")
    return [folder / SHEET, folder]


def check_limit(limit: int) -> None:
    """Refuse a number of pictures below 1."""
    from anomdet.errors import Problem, UserError

    if limit < 1:
        raise UserError(Problem("--limit", "an integer >= 1", str(limit)))


def _thin_out(dataset: Any, limit: int) -> None:
    """Keep ``limit`` images of a data set's config, evenly spread."""
    import numpy as np
    from mmdet.registry import DATASETS
    from mmengine.registry import DefaultScope

    with DefaultScope.overwrite_default_scope("mmdet"):
        total = len(DATASETS.build({**dataset, "pipeline": [], "lazy_init": True}).positions)
    dataset.indices = np.unique(np.linspace(0, total - 1, min(limit, total)).round().astype(int)).tolist()


def _draw_all(found: Any, images_dir: Path, folder: Path, score_thr: float) -> list[Path]:
    from anomdet.data.decode import read_image
    from anomdet.visualization.color import class_colors
    from anomdet.visualization.sheets import comparison, contact_sheet
    from anomdet.visualization.write import write_image

    names = {category["id"]: category["name"] for category in found.ground_truth["categories"]}
    truth, guesses = _by_image(found.ground_truth["annotations"]), _by_image(found.predictions)
    colors = class_colors(list(names.values()))
    pictures, paths = [], []
    for image in found.ground_truth["images"]:
        left = _objects(truth[image["id"]], names, with_scores=False)
        right = _objects([p for p in guesses[image["id"]] if p["score"] >= score_thr], names, with_scores=True)
        pixels = read_image(images_dir / image["file_name"])
        picture = comparison(pixels, left, right, title=image["file_name"], colors=colors)
        path = folder / f"{Path(image['file_name']).with_suffix('').as_posix().replace('/', '__')}.jpg"
        write_image(path, picture)
        pictures.append(picture)
        paths.append(path)
    write_image(folder / SHEET, contact_sheet(pictures[:12], columns=2, cell_px=900))
    return paths


def _by_image(objects: list[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    grouped: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for item in objects:
        grouped[item["image_id"]].append(item)
    return grouped


def _objects(items: list[dict[str, Any]], names: dict[int, str], *, with_scores: bool) -> Any:
    import numpy as np

    from anomdet.boxes import xywh_to_xyxy
    from anomdet.visualization.sheets import Objects

    bboxes_xywh = np.array([item["bbox"] for item in items], dtype=np.float64).reshape(-1, 4)
    labels = [names[item["category_id"]] for item in items]
    scores = [item["score"] for item in items] if with_scores else None
    return Objects(xywh_to_xyxy(bboxes_xywh), labels, scores)
