"""Weights in and detectors out: ``anomdet weights``, ``export`` and ``serve``. Nothing heavy is imported before."""

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
    from anomdet.workflows.exports.source import ExportOptions

    options = ExportOptions(kind, int8, nms, route, licence, custom_file, triton=triton)
    done = run(checkpoint, out, settings=config, images=images, options=options)
    say(done.summary())
    name_files(done.written)


@app.command(epilog="Example: anomdet weights rtmdet_tiny")
def weights(
    name: Annotated[str, typer.Argument(help="Of a model: anomdet config --presets.", metavar="NAME")],
    file: Annotated[Optional[Path], typer.Option(help="The weights, from another machine; default: fetch.")] = None,  # noqa: UP045
    debug: Debug = False,
) -> None:
    """Fetch the COCO weights of a model, or bring them here."""
    from anomdet.workflows.bring_weights import bring_weights

    say(bring_weights(name, file).text)


@app.command(epilog="Example: anomdet serve exported --token-file token.txt")
def serve(  # noqa: PLR0913 (its arguments are the command's options)
    context: typer.Context,
    models: Annotated[
        list[str], typer.Argument(help="Exported folders or best_model.pth; or NAME=PATH.", metavar="MODEL...")
    ],
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0: all of this machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0: any free one.")] = 8000,
    token_file: Annotated[Optional[str], typer.Option(help="Requests must bring the token in it.")] = None,  # noqa: UP045
    batch: Annotated[int, typer.Option(help="Images, or tiles, at once, at most.")] = 8,
    queue: Annotated[int, typer.Option(help="Requests at once; more get a 503.")] = 64,
    request_mb: Annotated[float, typer.Option(help="Largest request.")] = 32,
    megapixels: Annotated[float, typer.Option(help="Largest image, before it is decoded.")] = 32,
    timeout: Annotated[float, typer.Option(help="Seconds until a request fails.")] = 30,
    images: Annotated[Optional[str], typer.Option(help="Folder that Label Studio's tasks may name.")] = None,  # noqa: UP045
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
    threads: Annotated[Optional[int], typer.Option(help="Of an exported network.")] = None,  # noqa: UP045
    debug: Debug = False,
) -> None:
    """Judge images over HTTP.

    Its own API, KServe v2, Label Studio and Prometheus.
    """
    from anomdet.workflows import serve as workflow

    workflow.serve(workflow.ServeJob.from_options(context.params))
