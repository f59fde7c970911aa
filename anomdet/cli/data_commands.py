"""The commands that look at data and need no detector. Nothing heavy is imported before one runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from anomdet.cli.app import Config, Debug, NewFolder, Out, Overrides, app, name_files
from anomdet.terminal import give, one_line, say

_FORMATS = "anomdet, coco, cvat, labelme, labelstudio, voc, yolo"
_Overlap = Annotated[float, typer.Option(help="What neighbours share: a share up to 0.9, or pixels from 1 on.")]


@app.command(epilog="Example: anomdet check --data data --fix data_fixed")
def check(  # noqa: PLR0913 (its arguments are the command's options)
    config: Annotated[Optional[Path], typer.Option("--config", "-c", help="YAML settings; or --data.")] = None,  # noqa: UP045
    overrides: Overrides = None,
    data: Annotated[Optional[Path], typer.Option(help="Folder that holds images/ and labels/.")] = None,  # noqa: UP045
    style: Annotated[str, typer.Option("--format", help="text, json or sarif.")] = "text",
    out: Annotated[Optional[Path], typer.Option(help="File for the findings; default: the screen.")] = None,  # noqa: UP045
    fix: Annotated[Optional[Path], typer.Option(help="Empty or new folder for a corrected copy.")] = None,  # noqa: UP045
    report: Annotated[Optional[Path], typer.Option(help="HTML file or folder for a page on the data.")] = None,  # noqa: UP045
    strict: Annotated[bool, typer.Option("--strict", help="Warnings are errors.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Show all places, not only 20 of a kind.")] = False,
    decode: Annotated[bool, typer.Option("--decode", help="Read all pixels too, not only headers.")] = False,
    leaks: Annotated[bool, typer.Option("--leaks", help="Compare all images, even if it takes long.")] = False,
    debug: Debug = False,
) -> None:
    """Find what is wrong with the data.

    Ends with 0 if nothing is, with 1 if there are errors, with 2 if it could not look.
    """
    from anomdet.workflows import check as workflow

    options = workflow.CheckOptions(style, strict, everything, decode, leaks, report)
    found = workflow.check(data, settings=config, overrides=overrides or (), options=options, fix=fix, out=out)
    if out is None:
        give(found.text)
    if found.written:
        files = [f"  {one_line(str(path))}" for path in found.written]
        say("\n".join([*filter(None, [found.summary]), "wrote:", *files]), err=out is None and style != "text")
    raise typer.Exit(found.exit_code)


@app.command(epilog="Example: anomdet browse -c configs/default.yaml --page")
def browse(
    config: Annotated[Optional[Path], typer.Option("--config", "-c", help="YAML settings, or a Python config.")] = None,  # noqa: UP045
    overrides: Overrides = None,
    page: Annotated[bool, typer.Option("--page", help="All images, in one local page.")] = False,
    data: Annotated[Optional[Path], typer.Option(help="With --page: the data folder, in place of --config.")] = None,  # noqa: UP045
    out: Out = None,
    limit: Annotated[Optional[int], typer.Option(help="Most images, default 16; with --page most thumbnails.")] = None,  # noqa: UP045
    debug: Debug = False,
) -> None:
    """Look at the data: as training sees it, or all in one page.

    Draws augmented training images; or, with --page, writes a page to filter all by class, size, split and finding.
    """
    from anomdet.workflows.browse import browse_command

    name_files(browse_command(config, overrides or (), page=page, data=data, out=out, limit=limit))


@app.command(epilog="Example: anomdet init data, then: anomdet train -c run.yaml")
def init(  # noqa: PLR0913 (its arguments are the command's options)
    data_dir: Annotated[Path, typer.Argument(help="Folder that holds images/ and labels/.", metavar="DATA_DIR")],
    overrides: Overrides = None,
    out: Annotated[Path, typer.Option(help="File of the settings; one that exists is left alone.")] = Path("run.yaml"),
    device: Annotated[str, typer.Option(help="auto, cpu or gpu: what the training will run on.")] = "auto",
    minutes: Annotated[Optional[float], typer.Option(help="How long a run may take; times some steps here.")] = None,  # noqa: UP045
    short: Annotated[bool, typer.Option("--short", help="Leave out what is as by default.")] = False,
    no_timing: Annotated[bool, typer.Option("--no-timing", help="Do not time some steps of the run.")] = False,
    debug: Debug = False,
) -> None:
    """Write settings that fit a data folder.

    Every key with its meaning; where the data or the machine decided, why. What KEY=VALUE says is not chosen.
    """
    from anomdet.workflows.init import init as run

    done = run(data_dir, overrides or (), out=out, device=device, minutes=minutes, short=short, timing=not no_timing)
    say(done.text)
    name_files([done.path])
    say(done.next_steps)


@app.command(epilog="Example: anomdet convert coco.json --from coco --to anomdet --out data --images pictures")
def convert(  # noqa: PLR0913 (its arguments are the command's options)
    src: Annotated[Path, typer.Argument(help="The labels: a folder, a zip archive, or a file.", metavar="SRC")],
    to_format: Annotated[str, typer.Option("--to", help=f"{_FORMATS}.")],
    out: NewFolder,
    from_format: Annotated[Optional[str], typer.Option("--from", help=f"{_FORMATS}, csv, masks, deeppcb.")] = None,  # noqa: UP045
    images: Annotated[Optional[Path], typer.Option(help="Folder of the images, if not beside SRC.")] = None,  # noqa: UP045
    classes: Annotated[Optional[Path], typer.Option(help="YAML with data.classes: number and name.")] = None,  # noqa: UP045
    no_images: Annotated[bool, typer.Option("--no-images", help="Write the labels only.")] = False,
    follow_links: Annotated[bool, typer.Option("--follow-links", help="Copy images outside of SRC, too.")] = False,
    unlabelled: Annotated[Optional[str], typer.Option(help="Images without labels: normal, skip, error.")] = None,  # noqa: UP045
    debug: Debug = False,
) -> None:
    """Convert labels from one format to another.

    SRC is not changed; images are hard-linked or copied into OUT. All that the other format cannot hold is reported.
    Without --from the format is recognised by the files, without --unlabelled it decides; skip leaves images out.
    """
    from anomdet.workflows.convert import convert as run

    places: dict[str, Any] = dict(images=images, classes=classes, unlabelled=unlabelled, follow_links=follow_links)
    done = run(src, out, from_format=from_format, to_format=to_format, with_images=not no_images, **places)
    say(done.text)
    name_files(done.written)


@app.command(epilog="Example: anomdet tile data --out tiles --size 640")
def tile(data_dir: Path, out: NewFolder, size: int = 640, overlap: _Overlap = 0.2, debug: Debug = False) -> None:
    """Cut a data folder into tiles, for any trainer."""
    from anomdet.workflows.tile import tile as run

    name_files(run(data_dir, out, size=size, overlap=overlap).written)


@app.command(epilog="Example: anomdet review -c run.yaml --minutes 20 --out review")
def review(  # noqa: PLR0913 (its arguments are the command's options)
    config: Config,
    overrides: Overrides = None,
    out: Annotated[Path, typer.Option(help="A new or empty folder.")] = Path("review"),
    checkpoint: Annotated[Optional[Path], typer.Option(help="Review only the splits it did not learn.")] = None,  # noqa: UP045
    minutes: Annotated[Optional[float], typer.Option(help="For all folds; default: as the settings say.")] = None,  # noqa: UP045
    folds: Annotated[int, typer.Option(help="Detectors to train, each without its fold of images.")] = 4,
    apply: Annotated[Optional[Path], typer.Option(help="decisions.json of the page: write a corrected copy.")] = None,  # noqa: UP045
    unlabelled: Annotated[Optional[Path], typer.Option(help="Folder of images: which of them to label next.")] = None,  # noqa: UP045
    budget: Annotated[int, typer.Option(help="With --unlabelled: how many images at most.")] = 100,
    debug: Debug = False,
) -> None:
    """Find labels that are probably wrong.

    Correct them in a copy, or choose what to label next.
    """
    from anomdet.workflows.review_command import ReviewOptions, review_command

    options = ReviewOptions(checkpoint, minutes, folds, apply, unlabelled, budget)
    told, written = review_command(config, overrides or (), out, options)
    say(told)
    name_files(written)
