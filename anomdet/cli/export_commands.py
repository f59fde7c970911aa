"""``anomdet export``. Nothing heavy is imported before it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from anomdet.cli.app import Debug, app, name_files
from anomdet.terminal import say


@app.command(epilog="Example: anomdet export checkpoints/best_model.pth --out exported --config run.yaml")
def export(  # noqa: PLR0913 (its arguments are the command's options)
    checkpoint: Annotated[Path, typer.Argument(help="best_model.pth.", metavar="CHECKPOINT")],
    out: Annotated[Path, typer.Option(help="A new or empty folder.")],
    kind: Annotated[str, typer.Option("--format", help="onnx, openvino or torchscript.")] = "onnx",
    config: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--config", "-c", help="Settings of the run: its validation split is compared."),
    ] = None,
    images: Annotated[Optional[Path], typer.Option(help="Or a folder of images to compare on.")] = None,  # noqa: UP045
    int8: Annotated[bool, typer.Option("--int8", help="Quantise; with --format openvino.")] = False,
    nms: Annotated[str, typer.Option(help="inside the graph, or outside: the host suppresses.")] = "inside",
    route: Annotated[str, typer.Option(help="Of torch's exporters: torchscript or dynamo.")] = "torchscript",
    licence: Annotated[str, typer.Option(help="A sentence on the weights for whoever gets the folder.")] = "",
    custom_file: Annotated[Optional[str], typer.Option(help="Python file of a custom backbone or model.")] = None,  # noqa: UP045
    triton: Annotated[Optional[str], typer.Option(help="Write a model repository, too, of this name.")] = None,  # noqa: UP045
    debug: Debug = False,
) -> None:
    """Write a detector for ONNX Runtime or OpenVINO.

    It is compared with its checkpoint on images of yours, and refused where it decides otherwise.
    """
    from anomdet.workflows.export import export as run
    from anomdet.workflows.export_source import ExportOptions

    options = ExportOptions(kind, int8, nms, route, licence, custom_file, triton=triton)
    done = run(checkpoint, out, settings=config, images=images, options=options)
    say(done.summary())
    name_files(done.written)
