"""``anomdet browse``: the training data as the network sees it, after augmentation; or a page of all of it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anomdet.errors import Problem, UserError
from anomdet.layout import CONTACT_SHEET
from anomdet.ranks import is_main_process
from anomdet.workflows.browse_page import browse_page
from anomdet.workflows.runs.run_config import load_run
from anomdet.workflows.visualize import check_limit

NUM_PICTURES = 16
_OURS = re.compile(r"\d{4,}\.jpg")  # of an earlier run, which may have been longer


def browse_command(
    config: Path | None,
    overrides: Sequence[str] = (),
    *,
    page: bool = False,
    data: Path | None = None,
    out: Path | None = None,
    limit: int | None = None,
) -> list[Path]:
    """What the command line asks for: :func:`browse`, or :func:`anomdet.workflows.browse_page.browse_page`.

    Raises:
        UserError: as these two; or ``data`` without ``page``.
    """
    if page:
        return browse_page(config, overrides, data=data, out=out, limit=limit)
    if data is not None:
        raise UserError(Problem("--data", "--page beside it", f"--data {data} alone", "or give --config"))
    if config is None:
        raise UserError(Problem("--config", "settings, or --data DIR --page", "nothing", "see: anomdet browse --help"))
    return browse(config, overrides, out=out, limit=NUM_PICTURES if limit is None else limit)


def browse(
    config_path: str | Path,
    overrides: Sequence[str] = (),
    *,
    out: str | Path | None = None,
    limit: int = NUM_PICTURES,
) -> list[Path]:
    """Draw the first ``limit`` images that the sampler draws in the first epoch, and a contact sheet.

    Returns:
        The contact sheet and the folder of the drawings.

    Raises:
        UserError: anything wrong with what the user gave.
    """
    check_limit(limit)
    if not is_main_process():
        return []
    run = load_run(config_path, overrides)
    from anomdet.workflows.runs.build import build_loader, complete, data_sources
    from anomdet.workflows.runs.libraries import load_libraries

    load_libraries()
    from anomdet.output_rule import check_apart, make_room
    from anomdet.outputs import make_folder
    from anomdet.visualization.sheets import contact_sheet
    from anomdet.visualization.write import write_image

    with run.blamed():
        config = complete(run.config)
        folder = Path(out or Path(config.work_dir) / "browse")
        check_apart(folder, data_sources(config), "--out")
        loader = build_loader(config)
        shown = list(itertools.islice(loader.sampler, limit))
    make_folder(folder, "--out")
    names = [f"{number:04d}.jpg" for number in range(len(shown))]
    make_room(folder, [*names, CONTACT_SHEET], "--out", earlier=_OURS)
    pictures = []
    for name, index in zip(names, shown, strict=True):
        picture = _picture(loader.dataset[index], loader.dataset.metainfo["classes"])
        write_image(folder / name, picture)
        pictures.append(picture)
    write_image(folder / CONTACT_SHEET, contact_sheet(pictures[:16], columns=4))
    return [folder / CONTACT_SHEET, folder]


def _picture(sample: dict[str, Any], names: Sequence[str]) -> Any:
    """One packed sample, drawn: ``inputs`` is uint8 BGR, channels first."""
    import numpy as np

    from anomdet.visualization.color import class_colors
    from anomdet.visualization.draw import draw

    image = np.ascontiguousarray(sample["inputs"].numpy().transpose(1, 2, 0))
    instances = sample["data_samples"].gt_instances
    bboxes_xyxy = instances.bboxes
    bboxes_xyxy = getattr(bboxes_xyxy, "tensor", bboxes_xyxy).numpy()
    labels = [names[int(label)] for label in instances.labels]
    return draw(image, bboxes_xyxy, labels, colors=class_colors(list(names)))
