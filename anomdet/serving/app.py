"""The application: all routes behind the gate, errors as JSON, two pages that load nothing from elsewhere."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import importlib.resources
import logging
import re
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException

import anomdet
from anomdet.serving import routes_kserve, routes_predict
from anomdet.serving.desk import Desk
from anomdet.serving.gate import Gate
from anomdet.serving.meters import CONTENT_TYPE
from anomdet.serving.refusal import Refusal

log = logging.getLogger("anomdet")


def build_app(desk: Desk) -> FastAPI:
    """The ASGI application of a desk, which it closes at its end."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        desk.close()

    app = FastAPI(
        title="AnomDet",
        version=anomdet.__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect of /models/ would go to the host that the client names
        lifespan=lifespan,
    )
    app.include_router(routes_predict.routes(desk))
    app.include_router(routes_kserve.routes(desk))
    _add_pages(app, desk)
    _add_errors(app)
    app.add_middleware(Gate, desk=desk)
    return app


def _add_pages(app: FastAPI, desk: Desk) -> None:
    judge = (importlib.resources.files("anomdet.serving") / "assets" / "judge.html").read_text(encoding="utf-8")
    allowed = f"default-src 'none'; img-src blob:; connect-src 'self'; base-uri 'none'; {_inline(judge)}"

    @app.get("/", response_class=HTMLResponse, tags=["pages"], summary="A page that judges a dropped image")
    async def page() -> HTMLResponse:
        return HTMLResponse(judge, headers={"content-security-policy": allowed})

    @app.get("/docs", response_class=HTMLResponse, tags=["pages"], summary="This service, for a person")
    async def docs() -> HTMLResponse:
        text = _described(app.openapi())
        headers = {"content-security-policy": f"default-src 'none'; {_inline(text)}"}
        return HTMLResponse(text, headers=headers)

    @app.get("/metrics", tags=["metrics"], summary="For Prometheus")
    async def metrics() -> Response:
        return Response(desk.meters.text(), media_type=CONTENT_TYPE)


def _described(openapi: dict[str, Any]) -> str:
    environment = Environment(
        loader=PackageLoader("anomdet.serving", "assets"), autoescape=True, undefined=StrictUndefined
    )
    operations = [
        {"path": path, "method": method.upper(), **operation}
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    ]
    groups: dict[str, list[dict[str, Any]]] = {}
    for operation in operations:
        groups.setdefault(operation["tags"][-1], []).append(operation)
    return environment.get_template("docs.html").render(groups=groups, version=openapi["info"]["version"])


def _inline(page: str) -> str:
    """The content security policy that lets a page's own script and style run, and no other."""
    rules = []
    for tag in ("script", "style"):
        texts = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts]
        rules.append(
            " ".join([f"{tag}-src", *[f"'sha256-{one}'" for one in hashes or ["none"]]]).replace("sha256-none", "none")
        )
    return "; ".join(rules)


def _add_errors(app: FastAPI) -> None:
    """Each error is ``{"error": sentence}``, as KServe has it."""

    @app.exception_handler(Refusal)
    async def refused(_request: Request, error: Refusal) -> Response:
        return Response(error.body(), error.status, error.headers(), "application/json")

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        return JSONResponse({"error": f"{'.'.join(map(str, first['loc']))}: {first['msg']}"}, 400)

    @app.exception_handler(HTTPException)
    async def http(_request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": str(error.detail)}, error.status_code, error.headers)

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> JSONResponse:
        route = getattr(request.scope.get("route"), "path", "no route")  # what the client wrote may forge a line
        log.error("unforeseen error at %s: %s: %s", route, type(error).__name__, ascii(str(error)))
        return JSONResponse({"error": "an error of the service; see its log"}, 500)
