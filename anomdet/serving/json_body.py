"""JSON of a request to a model of what is expected, in an amount of memory that its bytes bound."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from anomdet.serving.refusal import Refusal

Model = TypeVar("Model", bound=BaseModel)
_MAX_VALUES = 200_000  # of ``{}``, the smallest, a request of 32 MB holds ten million, which take 5 GB in Python


def read_json(kind: type[Model], body: bytes) -> Model:
    """A request's JSON, checked.

    Raises:
        Refusal: 400: no JSON, of another shape, or of too many values.
    """
    num_values = sum(body.count(mark) for mark in (b",", b"[", b"{"))  # at least; those in texts count, too
    if num_values > _MAX_VALUES:
        raise Refusal(400, f"expected JSON of at most {_MAX_VALUES:,} values, got about {num_values:,}")
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the request"
        raise Refusal(400, f"{where}: {first['msg']}") from None
