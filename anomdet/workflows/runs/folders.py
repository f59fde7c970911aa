"""The folders of a run: apart from the data, free of the user's files, with the settings in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anomdet.addresses import without_secrets
from anomdet.layout import CHECKPOINTS, CONFIG, EVALUATION_DIR, RUN_FILES, SETTINGS, VISUALIZATION_DIR
from anomdet.output_rule import check_apart, check_names, claim, make_room
from anomdet.outputs import write_text
from anomdet.run_lock import one_run_in
from anomdet.terminal import one_line
from anomdet.workflows.runs.bit_depth import with_bit_depth
from anomdet.workflows.runs.build import data_sources
from anomdet.workflows.runs.changed_settings import changed_settings
from anomdet.workflows.runs.run_config import Run
from anomdet.workflows.runs.tiles import with_tiles

LOG_DIR, CHECKPOINT_DIR = "logging.log_dir", "logging.checkpoint_dir"


def output_folders(config: Any, *, resume: bool) -> dict[str, Path]:
    """Key of the settings to folder: apart from the data, and free of files of the user's."""
    folders = {LOG_DIR: Path(config.work_dir), CHECKPOINT_DIR: Path(config.default_hooks.checkpoint.out_dir)}
    names = {LOG_DIR: RUN_FILES, CHECKPOINT_DIR: () if resume else CHECKPOINTS}
    for option, folder in folders.items():
        check_apart(folder, data_sources(config), option)
        check_names(folder, names[option], option)
    return folders


def make_rooms(log_dir: Path, checkpoint_dir: Path, *, continues: bool) -> list[str]:
    """Move what an earlier run left aside, or claim the folders for one that continues; notes for the log."""
    if continues:
        claim(log_dir, RUN_FILES, LOG_DIR)
        return []
    results = [log_dir / name for name in (EVALUATION_DIR, VISUALIZATION_DIR)]
    with one_run_in({str(folder): folder for folder in results if folder.is_dir()}):
        pass  # nobody is writing what is moved now
    moved = (make_room(log_dir, RUN_FILES, LOG_DIR), make_room(checkpoint_dir, CHECKPOINTS, CHECKPOINT_DIR))
    return [f"results of an earlier run were moved to {place}" for place in moved if place]


def write_inputs(run: Run, config: Any, log_dir: Path, *, continues: bool = False) -> list[str]:
    """Leave the settings and the complete config beside the outputs: either repeats the run.

    Returns:
        A sentence where those of a run that continues are others than before.
    """
    write_text(log_dir / CONFIG, without_secrets(config.pretty_text))
    changed: list[str] = []
    if run.settings is not None:
        from anomdet.config.dump import dump_yaml

        settings = dump_yaml(with_tiles(with_bit_depth(run.settings, config), config))
        changed = changed_settings(log_dir, settings) if continues else []
        place = one_line(str(Path.cwd()))
        head = f"# Relative paths start from the folder of the command; this run was started in {place}.\n"
        write_text(log_dir / SETTINGS, head + settings)
    return changed
