"""MMDetection's command lines (``tools/``) over our commands: CONFIG and CHECKPOINT by position, ``--cfg-options``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from anomdet.cli.app import name_files, name_run, resume_command, show_log
from anomdet.cli.failures import run_command
from anomdet.errors import Problem, UserError
from anomdet.terminal import say
from anomdet.workflows.mmdet_options import one_each, overrides_of


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"command line: {message}; see: python tools/{self.prog} --help")


def train(arguments: Sequence[str] | None = None) -> None:
    """``tools/train.py CONFIG``."""
    parser = _parser("train.py", "Train a detector.", "tools/train.py configs/cpu_small.yaml --work-dir work_dirs/a")
    parser.add_argument("--work-dir", help="folder of logs and checkpoints")
    parser.add_argument("--amp", action="store_true", help="mixed precision")
    parser.add_argument("--resume", action="store_true", help="resume from last.pth")
    parser.add_argument("--launcher", choices=["none", "pytorch"], default="none", help="pytorch: under torchrun")
    parser.add_argument("--local-rank", "--local_rank", type=int, help=argparse.SUPPRESS)
    _main(parser, _train, arguments)


def test(arguments: Sequence[str] | None = None) -> None:
    """``tools/test.py CONFIG CHECKPOINT``."""
    parser = _parser("test.py", "Measure a detector.", "tools/test.py run.yaml checkpoints/best_model.pth --split val")
    parser.add_argument("checkpoint")
    parser.add_argument("--work-dir", help="folder of logs and, without --out, of the results")
    parser.add_argument("--out", help="folder of metrics.json and predictions.json")
    parser.add_argument("--show-dir", help="folder of images; without it none are drawn")
    parser.add_argument("--split", default="test", help="train, val or test")
    parser.add_argument("--launcher", choices=["none", "pytorch"], default="none", help="pytorch: under torchrun")
    parser.add_argument("--local-rank", "--local_rank", type=int, help=argparse.SUPPRESS)
    _main(parser, _test, arguments)


def browse_dataset(arguments: Sequence[str] | None = None) -> None:
    """``tools/browse_dataset.py CONFIG``."""
    parser = _parser("browse_dataset.py", "Draw the training data.", "tools/browse_dataset.py run.yaml --show-number 8")
    parser.add_argument("--output-dir", help="folder of the images")
    parser.add_argument("--show-number", type=int, default=16, help="how many")
    _main(parser, _browse, arguments)


def visualize(arguments: Sequence[str] | None = None) -> None:
    """``tools/visualize.py CONFIG CHECKPOINT``."""
    parser = _parser("visualize.py", "Draw predictions.", "tools/visualize.py run.yaml checkpoints/best_model.pth")
    parser.add_argument("checkpoint")
    parser.add_argument("--output-dir", help="folder of the images")
    parser.add_argument("--split", default="test", help="train, val or test")
    _main(parser, _visualize, arguments)


def _parser(prog: str, description: str, example: str) -> _Parser:
    parser = _Parser(prog=prog, description=description, epilog=f"Example: python {example}", allow_abbrev=False)
    parser.add_argument("config", help="YAML settings or a Python config")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    options = "key=value ..., settings of a YAML file or keys of a Python config"
    parser.add_argument("--cfg-options", action="append", default=[], metavar="KEY=VALUE", help=options)
    return parser


def _main(parser: _Parser, work: Callable[[argparse.Namespace], list[Path]], arguments: Sequence[str] | None) -> None:
    show_log()
    given = list(sys.argv[1:] if arguments is None else arguments)

    def run() -> None:
        name_files(work(parser.parse_args(one_each(given))))

    sys.exit(run_command(run, given, debug="--debug" in given))


def _train(args: argparse.Namespace) -> list[Path]:
    if args.launcher == "pytorch" and "WORLD_SIZE" not in os.environ:
        hint = "start it with tools/dist_train.sh CONFIG GPUS"
        raise UserError(Problem("--launcher pytorch", "to be started by torchrun", "no WORLD_SIZE", hint))
    from anomdet.workflows.train import train as run

    overrides = overrides_of(args)
    result = run(args.config, overrides, resume=args.resume, resume_hint=resume_command(args.config, overrides))
    name_run(result, args.config, overrides)
    return []


def _test(args: argparse.Namespace) -> list[Path]:
    from anomdet.workflows.evaluate import evaluate
    from anomdet.workflows.visualize import visualize as draw

    common: dict[str, Any] = dict(split=args.split, checkpoint=args.checkpoint)
    result = evaluate(args.config, overrides_of(args), out=args.out, **common)
    if result.written:  # the first process
        say(result.table)
    pictures = draw(args.config, overrides_of(args), out=args.show_dir, **common) if args.show_dir else []
    return [*result.written, *pictures]


def _browse(args: argparse.Namespace) -> list[Path]:
    from anomdet.workflows.browse import browse

    return browse(args.config, overrides_of(args), out=args.output_dir, limit=args.show_number)


def _visualize(args: argparse.Namespace) -> list[Path]:
    from anomdet.workflows.visualize import visualize as draw

    return draw(args.config, overrides_of(args), split=args.split, checkpoint=args.checkpoint, out=args.output_dir)
