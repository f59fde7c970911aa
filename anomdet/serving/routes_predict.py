"""POST /predict: an image, or Label Studio's tasks; for the first model, or for one by its name in the path."""

from __future__ import annotations

import logging
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from anomdet.serving.desk import Desk
from anomdet.serving.label_studio import Images, Names, prediction, read_names, read_tasks
from anomdet.serving.multipart import file_in
from anomdet.serving.refusal import Refusal
from anomdet.serving.settings import MAX_TASKS

_BINARY = {"type": "string", "format": "binary"}
_FORM = {"type": "object", "properties": {"file": _BINARY}, "required": ["file"]}
_TASKS = {"type": "object", "properties": {"tasks": {"type": "array"}, "label_config": {"type": "string"}}}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": _BINARY},
            "image/*": {"schema": _BINARY},
            "multipart/form-data": {"schema": _FORM},
            "application/json": {"schema": _TASKS},
        },
    }
}
_OF_CURL = "application/x-www-form-urlencoded"  # as it calls what --data-binary sends
_RAW = ("application/octet-stream", _OF_CURL)
log = logging.getLogger("anomdet")
MinScore = Annotated[float | None, Query(ge=0, le=1, description="Report detections from this score on, too.")]


def routes(desk: Desk) -> APIRouter:
    """The routes."""
    router, images = APIRouter(tags=["judge"]), Images(desk.settings.images)

    @router.post("/predict", openapi_extra=_BODY, summary="Judge an image with the first model")
    async def predict(request: Request, min_score: MinScore = None, model: str | None = None) -> Response:
        """The body is the file of an image, a form with one file, or Label Studio's tasks as JSON."""
        _check_query(request, ("min_score", "model"))
        return await _judge(desk, images, request, model, min_score)

    @router.post("/models/{model}/predict", openapi_extra=_BODY, summary="Judge an image with a model")
    async def predict_by(model: str, request: Request, min_score: MinScore = None) -> Response:
        """As /predict."""
        _check_query(request, ("min_score",))
        return await _judge(desk, images, request, model, min_score)

    @router.get("/models", summary="What is served")
    async def models() -> list[dict[str, Any]]:
        """Name, hash, classes, input size and thresholds of each model."""
        return [_about(live.name, live.detector.info) for live in desk.models]

    @router.get("/models/{model}", summary="What a model is")
    async def about(model: str) -> dict[str, Any]:
        """Name, hash, classes, input size and thresholds."""
        live = desk.models.find(model)
        return _about(live.name, live.detector.info)

    _add_label_studio(router, desk)
    return router


def _add_label_studio(router: APIRouter, desk: Desk) -> None:
    @router.post("/setup", tags=["Label Studio"], summary="A project connects")
    @router.post("/models/{model}/setup", tags=["Label Studio"], summary="A project connects to a model")
    async def setup(model: str | None = None) -> dict[str, str]:
        """Label Studio posts its configuration; nothing of it is kept."""
        return {"model_version": _version(desk, model)}

    @router.head("/health", include_in_schema=False)
    @router.get("/health", tags=["Label Studio"], summary="It runs")
    @router.get("/models/{model}/health", tags=["Label Studio"], summary="A model runs")
    async def health(model: str | None = None) -> dict[str, str]:
        """As Label Studio asks it."""
        desk.models.find(model)
        return {"status": "UP", "model_class": "AnomDet"}


def _check_query(request: Request, known: tuple[str, ...]) -> None:
    """``?threshold=0.9`` would be ignored, and the verdict go by another threshold than the client believes."""
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        hint = "; the threshold is the model's" if "thr" in unknown[0] else ""
        raise Refusal(400, f"expected {' and '.join(known)} behind the question mark, got {unknown[0]!r:.100}{hint}")


async def _judge(desk: Desk, images: Images, request: Request, model: str | None, min_score: float | None) -> Response:
    content_type = request.headers.get("content-type", "")
    body, kind = await request.body(), content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        return JSONResponse(await _tasks(desk, images, model, body))
    name = None
    if kind == "multipart/form-data":
        name, body = file_in(body, content_type)
    elif kind and kind not in _RAW and not kind.startswith("image/"):
        expected = "image/*, application/octet-stream, multipart/form-data or application/json"
        raise Refusal(415, f"expected the type {expected}, got {kind!r:.100}")
    try:
        result = await desk.judge(model, body, name=name, min_score=min_score)
    except Refusal as refusal:
        if refusal.status == 400 and kind == _OF_CURL:
            hint = "curl sends a file as it is with --data-binary @part.png, with -d without its line ends"
            raise Refusal(400, f"{refusal.message}; {hint}") from None
        raise
    return Response(result.to_json(), media_type="application/json")


async def _tasks(desk: Desk, images: Images, model: str | None, body: bytes) -> dict[str, Any]:
    names, addresses = _asked(body)
    _say_what_lacks(desk, model, names)
    most = desk.settings.request_bytes
    found = await desk.judge_each(model, [partial(images.read, address, most) for address in addresses])
    refusals = [one for one in found if isinstance(one, Refusal)]
    if refusals and len(refusals) == len(found):
        raise refusals[0]
    if refusals:  # an entry without a result: Label Studio makes no prediction of it, and one for each of the others
        log.warning("%d of %d tasks of Label Studio have no prediction: %s", len(refusals), len(found), refusals[0])
    version = _version(desk, model)
    results = [{"error": one.message} if isinstance(one, Refusal) else prediction(one, names, version) for one in found]
    return {"results": results, "model_version": version}


def _say_what_lacks(desk: Desk, model: str | None, names: Names) -> None:
    """Once a model, whatever clients send: a label ``Stain`` is not the class ``stain``, and nobody else says so."""
    live = desk.models.find(model)
    if live.name not in desk.reported and (lacking := names.lacks(live.detector.classes.values())):
        desk.reported.add(live.name)
        hint = "it shows their boxes without a label or not at all; add them to its <RectangleLabels>, spelled so"
        log.warning("%s: the project of Label Studio has no label %s: %s", live.name, ", ".join(lacking), hint)


def _asked(body: bytes) -> tuple[Names, list[Any]]:
    """The project's names and the images' addresses; nothing else of the tasks stays in memory."""
    request = read_tasks(body)
    if len(request.tasks) > MAX_TASKS:
        hint = "select fewer in Label Studio"
        raise Refusal(413, f"expected at most {MAX_TASKS:,} tasks in a request, got {len(request.tasks):,}; {hint}")
    names = read_names(request.label_config)
    return names, [task.data.get(names.field) for task in request.tasks]


def _version(desk: Desk, model: str | None) -> str:
    live = desk.models.find(model)
    return f"{live.name}-{live.version}"


def _about(name: str, info: dict[str, Any]) -> dict[str, Any]:
    """Of a model, without its place on the disk."""
    return {"name": name, **{key: value for key, value in info.items() if key != "file"}}
