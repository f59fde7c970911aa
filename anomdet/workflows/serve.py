"""``anomdet serve``: detectors behind HTTP."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomdet.errors import Problem, UserError
from anomdet.workflows.load import load

if TYPE_CHECKING:
    from anomdet.inference.detector import Detector
    from anomdet.serving.settings import ServeSettings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
log = logging.getLogger("anomdet")


@dataclass(frozen=True)
class ServeJob:
    """What the command is given.

    Args:
        models: ``best_model.pth`` or exported folders, each alone or as ``NAME=PATH``.
        settings: of the service.
        device: as of :func:`anomdet.load`.
        threads: of an exported network; None: the runtime decides.
    """

    models: tuple[str, ...]
    settings: ServeSettings
    device: str = "auto"
    threads: int | None = None

    @classmethod
    def from_options(cls, options: dict[str, Any]) -> ServeJob:
        """From the options of the command, by their names.

        Raises:
            UserError: all that is out of range.
        """
        _need_packages()
        from anomdet.serving.settings import ServeSettings, read_token

        given = {key: options[key] for key in ("host", "port", "megapixels", "request_mb")}
        token = options["token_file"] and read_token(Path(options["token_file"]))
        images = Path(options["images"]) if options["images"] else None
        renamed = {"batch_size": options["batch"], "queue_size": options["queue"], "timeout_s": options["timeout"]}
        settings = ServeSettings(**given, **renamed, token=token, images=images)
        return cls(tuple(options["models"]), settings, options["device"], options["threads"])


def serve(job: ServeJob, on_ready: Callable[[str], None] | None = None) -> None:
    """Answer requests until the process is asked to stop; then finish what was accepted.

    Args:
        job: models and settings.
        on_ready: called with the address, once it listens.

    Raises:
        UserError: a model cannot be opened, the address is taken, or a package of the extra ``serve`` is missing.
    """
    _need_packages()
    from anomdet.serving.desk import Desk
    from anomdet.serving.meters import Meters
    from anomdet.serving.models import Live, Models
    from anomdet.serving.server import run

    settings, meters = job.settings, Meters()

    def make(name: str, detector: Detector) -> Live:
        return Live(name, detector, settings.batch_size, settings.megapixels, meters)

    models = Models(_openers(job), make)
    for live in models:
        log.info("%s: %r, version %s", live.name, live.detector, live.version)
    if not settings.is_loopback and settings.token is None:
        log.warning("anyone who reaches %s is answered; --token-file asks for a token", settings.host)
    run(Desk(models, settings, meters), on_ready or (lambda address: log.info("listening on %s", address)))


def _openers(job: ServeJob) -> dict[str, Callable[[], Detector]]:
    """Name to what opens the model."""
    openers: dict[str, Callable[[], Detector]] = {}
    problems: list[Problem | str] = []
    for given in job.models:
        name, path = _named(given)
        if not Path(path).expanduser().exists():
            got = f"{path!r}, which is not there"
            problems.append(Problem("MODEL", "best_model.pth or an exported folder", got))
        elif not _NAME.fullmatch(name):
            expected = "a name of letters, digits, dot, dash and underscore"
            problems.append(Problem(f"MODEL {given}", expected, repr(name), "say it: NAME=PATH"))
        elif name in openers:
            problems.append(Problem(f"MODEL {given}", "a name for each model", f"{name} twice", "say one: NAME=PATH"))
        openers[name] = partial(load, path, device=job.device, threads=job.threads)
    if problems:
        raise UserError(problems)
    return openers


def _named(given: str) -> tuple[str, str]:
    name, is_named, path = given.partition("=")
    if is_named and "/" not in name and not Path(given).exists():
        return name, path
    resolved = Path(given).expanduser().resolve()
    return (resolved.stem if resolved.is_file() else resolved.name), given


def _need_packages() -> None:
    try:
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import python_multipart  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        hint = "run: pip install 'anomdet[serve]'"
        raise UserError(Problem("anomdet serve", "the packages of the extra serve", str(error), hint)) from None
