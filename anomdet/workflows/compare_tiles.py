"""``anomdet evaluate --tiles compare``: one checkpoint on its tiles and on whole images, and the difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from anomdet.config.load import SettingsSource
from anomdet.errors import Problem, UserError
from anomdet.layout import BEST, METRICS, UNTILED_DIR
from anomdet.workflows.compare import compare
from anomdet.workflows.evaluate import Evaluation, evaluate
from anomdet.workflows.runs.run_config import load_run
from anomdet.workflows.runs.tiles import OFF


def evaluate_with_and_without_tiles(
    settings: SettingsSource,
    overrides: Sequence[str] = (),
    *,
    split: str = "test",
    checkpoint: str | Path | None = None,
    out: str | Path | None = None,
) -> Evaluation:
    """Evaluate a checkpoint as it was trained, and on whole images, each at an operating point of its own.

    Args:
        settings, overrides, split, checkpoint, out: of :func:`anomdet.evaluate`. ``out`` gets a folder ``untiled`` with
            the second evaluation and the comparison of both.

    Raises:
        UserError: as these; or the checkpoint has no tiles.
    """
    _check_is_tiled(settings, overrides, checkpoint)
    tiled = evaluate(settings, overrides, split=split, checkpoint=checkpoint, out=out)
    if not tiled.written:  # not the first process
        return evaluate(settings, overrides, split=split, checkpoint=checkpoint, tiles=OFF)
    folder = next(path.parent for path in tiled.written if path.name == METRICS)
    untiled = evaluate(settings, overrides, split=split, checkpoint=checkpoint, out=folder / UNTILED_DIR, tiles=OFF)
    found = compare(folder, folder / UNTILED_DIR, out=folder / UNTILED_DIR)
    table = f"{tiled.table}\n\nthe same on whole images:\n{untiled.table}\n\n{found.text}"
    return replace(tiled, table=table, written=[*tiled.written, *untiled.written, *found.written])


def _check_is_tiled(settings: SettingsSource, overrides: Sequence[str], checkpoint: str | Path | None) -> None:
    run = load_run(settings, overrides)
    from anomdet.workflows.runs.libraries import load_libraries

    load_libraries()
    from anomdet.engine.checkpoint import read_checkpoint

    path = Path(checkpoint or Path(run.config.default_hooks.checkpoint.out_dir) / BEST)
    if not (read_checkpoint(path).meta.inference or {}).get("tiles"):
        raise UserError(Problem("--tiles compare", "a checkpoint that was trained on tiles", f"{path}, without tiles"))
