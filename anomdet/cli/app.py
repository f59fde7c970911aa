"""The application of the command line, and the options that several commands share."""

from __future__ import annotations

import logging
import platform
import shlex
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

import anomdet
from anomdet.addresses import without_secrets
from anomdet.ranks import is_main_process, num_processes
from anomdet.terminal import give, one_line, prepare, say

if TYPE_CHECKING:
    from anomdet.workflows.evaluate import Evaluation
    from anomdet.workflows.train import TrainResult

app = typer.Typer(
    name="anomdet",
    help="Train, evaluate and ship detectors of visual anomalies (defects).",
    rich_markup_mode=None,  # plain text: rich's markup costs a fifth of a second at each --help
    pretty_exceptions_enable=False,
)


@app.callback()
def _all_commands(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=lambda asked: _show_version(asked), help="Show the version."),
    ] = False,
) -> None:
    pass


def _show_version(asked: bool) -> None:
    if asked:
        give(f"anomdet {anomdet.__version__}, Python {platform.python_version()}")
        raise typer.Exit


Config = Annotated[Path, typer.Option("--config", "-c", help="YAML settings, or a Python config.")]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="Settings to change: training.epochs=3", metavar="[KEY=VALUE]...")
]
Split = Annotated[str, typer.Option(help="train, val or test.")]
Checkpoint = Annotated[Optional[Path], typer.Option(help="Default: checkpoint_dir/best_model.pth.")]  # noqa: UP045
Out = Annotated[Optional[Path], typer.Option(help="Folder of the results; default: inside log_dir.")]  # noqa: UP045
NewFolder = Annotated[Path, typer.Option(help="A new or empty folder.")]
NewFile = Annotated[Path, typer.Option(help="A new file; the old one stays as it is.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Limit = Annotated[int, typer.Option(help="How many images at most.")]


def resume_command(config: Path | str, overrides: Sequence[str]) -> str:
    """What resumes a run, by the script that it was started with; torchrun does not pass on its own arguments."""
    script = Path(sys.argv[0])
    if num_processes() > 1:
        return "the same command, with --resume"
    if script.name != "train.py":
        return shlex.join(["anomdet", "train", "--config", str(config), *overrides, "--resume"])
    if script.parent.name != "tools":
        return shlex.join(["python", str(script), "--config", str(config), *overrides, "--resume"])
    options = ["--cfg-options", *overrides] if overrides else []
    return shlex.join(["python", str(script), str(config), "--resume", *options])


def name_run(result: TrainResult, config: Path | str, overrides: Sequence[str]) -> None:
    """End ``train`` with the next command."""
    if result.nothing_to_do and is_main_process():
        say(result.nothing_to_do)
    name_files(result.written)
    if is_main_process():
        command = ["anomdet", "evaluate", "--config", str(config), *result.to_evaluate, *overrides]
        say(f"next: {without_secrets(shlex.join(command))}")


def end_evaluation(result: Evaluation) -> None:
    """Files first, then what a person looks at: the verdict, the classes, the page."""
    name_files(result.written)
    if result.written:
        pages = [f"open {one_line(str(path))}" for path in result.written if path.suffix == ".html"]
        say("\n".join(["", result.table, *pages]))


def show_log() -> None:
    """Show what the workflows report, plain lines on stdout and warnings on stderr; not what the libraries warn of."""
    prepare()
    if not sys.warnoptions:
        warnings.filterwarnings("ignore")
    log = logging.getLogger("anomdet")
    if not any(isinstance(handler, _Echo) for handler in log.handlers):
        log.addHandler(_Echo())
    log.setLevel(logging.INFO)
    log.propagate = False


def log_to_stderr(is_wanted: bool) -> None:
    """Whether all that the workflows report goes to stderr, since results go to stdout."""
    for handler in logging.getLogger("anomdet").handlers:
        if isinstance(handler, _Echo):
            handler.least_for_stderr = logging.INFO if is_wanted else logging.WARNING


class _Echo(logging.Handler):
    least_for_stderr = logging.WARNING

    def emit(self, record: logging.LogRecord) -> None:
        is_warning = record.levelno >= logging.WARNING
        text = one_line(record.getMessage())
        say(f"warning: {text}" if is_warning else text, err=record.levelno >= self.least_for_stderr)


def name_files(paths: list[Path]) -> None:
    """End a command by naming what it wrote, if anything; of many processes only the first speaks."""
    if paths and is_main_process():
        say("\n".join(["wrote:", *(f"  {one_line(str(path))}" for path in paths)]))
