"""KServe v2: health, metadata, inference, and the repository extension to reload a model."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

import anomdet
from anomdet.serving import kserve
from anomdet.serving.desk import Desk
from anomdet.serving.refusal import Refusal

_EXTENSIONS = ["binary_tensor_data", "model_repository"]
_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}}


def routes(desk: Desk) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/v2", tags=["KServe v2"])
    _add_health(router, desk)
    _add_repository(router, desk)

    @router.get("/models/{model}", summary="Inputs and outputs of a model")
    @router.get("/models/{model}/versions/{version}", summary="Inputs and outputs of a version")
    async def metadata(model: str, version: str | None = None) -> dict[str, Any]:
        live = _of_version(desk, model, version)
        return kserve.metadata(live.name, live.version, live.detector.backend.name)

    @router.post("/models/{model}/infer", openapi_extra=_BODY, summary="Judge images")
    @router.post("/models/{model}/versions/{version}/infer", openapi_extra=_BODY, summary="Judge images by a version")
    async def infer(model: str, request: Request, version: str | None = None) -> Response:
        """The input `image` holds files as BYTES: Base64 in JSON, or bytes behind it."""
        wanted = kserve.read_request(await request.body(), request.headers.get(kserve.HEADER_LENGTH))
        live = _of_version(desk, model, version)
        results = await desk.judge_all(model, wanted.images, min_score=wanted.min_score)
        body, length = kserve.write_response(results, wanted, live.name, live.version)
        if not length:
            return Response(body, media_type="application/json")
        return Response(body, media_type="application/octet-stream", headers={kserve.HEADER_LENGTH: str(length)})

    return router


def _add_health(router: APIRouter, desk: Desk) -> None:
    @router.get("", summary="What serves")
    async def server() -> dict[str, Any]:
        return {"name": "anomdet", "version": anomdet.__version__, "extensions": _EXTENSIONS}

    @router.head("/health/live", include_in_schema=False)  # as some load balancers ask
    @router.get("/health/live", summary="The process answers")
    async def live() -> dict[str, bool]:
        return {"live": True}

    @router.head("/health/ready", include_in_schema=False)
    @router.get("/health/ready", summary="Requests are taken; 503 while it stops")
    async def ready() -> JSONResponse:
        return JSONResponse({"ready": not desk.is_draining}, 503 if desk.is_draining else 200)

    @router.get("/models/{model}/ready", summary="A model takes requests")
    @router.get("/models/{model}/versions/{version}/ready", summary="A version takes requests")
    async def model_ready(model: str, version: str | None = None) -> JSONResponse:
        live = _of_version(desk, model, version)
        return JSONResponse({"name": live.name, "ready": not desk.is_draining}, 503 if desk.is_draining else 200)


def _add_repository(router: APIRouter, desk: Desk) -> None:
    @router.post("/repository/index", summary="The models")
    async def index() -> list[dict[str, str]]:
        return [{"name": live.name, "version": live.version, "state": "READY", "reason": ""} for live in desk.models]

    @router.post("/repository/models/{model}/load", summary="Open a model again, without a gap")
    async def load(model: str) -> dict[str, str]:
        """From where the service was started with; needs a service with a token. The signal HUP does it without."""
        if desk.settings.token is None:
            raise Refusal(403, "expected a service that was started with --token-file; the signal HUP reloads, too")
        live = await desk.reload(model)
        return {"name": live.name, "version": live.version}


def _of_version(desk: Desk, model: str, version: str | None) -> Any:
    live = desk.models.find(model)
    if version not in (None, live.version):
        raise Refusal(404, f"expected the version {live.version} of {model}, got {version!r:.100}")
    return live
