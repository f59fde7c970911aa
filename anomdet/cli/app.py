"""The application of the command line, and the options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from anomdet.ranks import is_main_process

app = typer.Typer(
    name="anomdet",
    help="Train, evaluate and ship detectors of visual anomalies (defects).",
    add_completion=False,
    rich_markup_mode=None,  # plain text: rich's markup costs a fifth of a second at each --help
    pretty_exceptions_enable=False,
)

Config = Annotated[Path, typer.Option("--config", "-c", help="YAML settings, or a Python config.")]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="Settings to change: training.epochs=3", metavar="[KEY=VALUE]...")
]
Split = Annotated[str, typer.Option(help="train, val or test.")]
Checkpoint = Annotated[Optional[Path], typer.Option(help="Default: checkpoint_dir/best_model.pth.")]  # noqa: UP045
Out = Annotated[Optional[Path], typer.Option(help="Folder of the results; default: inside log_dir.")]  # noqa: UP045
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Limit = Annotated[int, typer.Option(help="How many pictures at most.")]


def name_files(paths: list[Path]) -> None:
    """End a command by naming what it wrote, if anything; of many processes only the first speaks."""
    if not paths or not is_main_process():
        return
    typer.echo("wrote:")
    for path in paths:
        typer.echo(f"  {path}")
