"""``anomdet serve``. Nothing heavy is imported before it runs."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from anomdet.cli.app import Debug, app


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
    from anomdet.workflows.serve import ServeJob
    from anomdet.workflows.serve import serve as run

    run(ServeJob.from_options(context.params))
