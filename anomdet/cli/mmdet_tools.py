"""MMDetection's command lines (``tools/``) over our commands: CONFIG and CHECKPOINT by position, ``--cfg-options``."""

from __future__ import annotations

import argparse
import runpy
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from anomdet.cli.app import Debug, app, name_files, name_run, resume_command, show_log
from anomdet.cli.failures import run_command
from anomdet.terminal import say
from anomdet.workflows import mmdet_options as parsers
from anomdet.workflows.mmdet_options import check_options, one_each, overrides_of


def train(arguments: Sequence[str] | None = None) -> None:
    """``tools/train.py CONFIG``."""
    _main(parsers.train(), _train, arguments)


def test(arguments: Sequence[str] | None = None) -> None:
    """``tools/test.py CONFIG CHECKPOINT``."""
    _main(parsers.test(), _test, arguments)


def browse_dataset(arguments: Sequence[str] | None = None) -> None:
    """``tools/browse_dataset.py CONFIG``."""
    _main(parsers.browse_dataset(), _browse, arguments)


def visualize(arguments: Sequence[str] | None = None) -> None:
    """``tools/visualize.py CONFIG CHECKPOINT``."""
    _main(parsers.visualize(), _visualize, arguments)


@app.command(
    epilog="Example: anomdet mmdet analyze_logs.py cal_train_time logs/scalars.json",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False},
)
def mmdet(
    context: typer.Context,
    tool: Annotated[str, typer.Argument(help="As test.py or tools/test.py; its own arguments follow.")],
    debug: Debug = False,
) -> None:
    """Run a tool that MMDetection installed.

    Its configs are Python code and its results are pickles: both run code, so they must come from someone you trust.
    """
    from anomdet.workflows.mmdet_tool import mmdet_tool

    with mmdet_tool(tool) as path:
        sys.argv = [str(path), *context.args]
        runpy.run_path(str(path), run_name="__main__")


def _main(
    parser: argparse.ArgumentParser, work: Callable[[argparse.Namespace], list[Path]], arguments: Sequence[str] | None
) -> None:
    show_log()
    given = list(sys.argv[1:] if arguments is None else arguments)

    def run() -> None:
        name_files(work(parser.parse_args(one_each(given))))

    sys.exit(run_command(run, given, debug="--debug" in given))


def _train(args: argparse.Namespace) -> list[Path]:
    check_options(args)
    from anomdet.workflows.train import train as run

    overrides = overrides_of(args)
    result = run(args.config, overrides, resume=bool(args.resume), resume_hint=resume_command(args.config, overrides))
    name_run(result, args.config, overrides)
    return []


def _test(args: argparse.Namespace) -> list[Path]:
    check_options(args)
    from anomdet.workflows.evaluate import evaluate
    from anomdet.workflows.visualize import visualize as draw

    common: dict[str, Any] = dict(split=args.split, checkpoint=args.checkpoint)
    overrides = overrides_of(args)
    result = evaluate(args.config, overrides, out=parsers.out_folder(args), **common)
    if result.written:  # the first process
        say(result.table)
    pictures = draw(args.config, overrides, out=args.show_dir, **common) if args.show_dir else []
    pickles = [Path(args.out)] if parsers.names_pickle(args) and result.written else []
    return [*result.written, *pickles, *pictures]


def _browse(args: argparse.Namespace) -> list[Path]:
    check_options(args)
    from anomdet.workflows.browse import browse

    return browse(args.config, overrides_of(args), out=args.output_dir, limit=args.show_number)


def _visualize(args: argparse.Namespace) -> list[Path]:
    from anomdet.workflows.visualize import visualize as draw

    return draw(args.config, overrides_of(args), split=args.split, checkpoint=args.checkpoint, out=args.output_dir)
