"""The JSON files of a review, typed: suspected label errors, and what a person decided about them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import NotRequired, TypedDict  # typing's own cannot be validated before Python 3.12

from anomdet.documents.kinds import Box4, Count


class LabelBox(TypedDict):
    """A label, as it is or as it should be."""

    class_num: Annotated[int, Field(gt=-(10**18), lt=10**18)]
    bbox_xywh: Box4


class SuspectedError(TypedDict):
    """As in review.json; beside these keys what the page shows."""

    id: Count
    image: str
    kind: str
    probability: Annotated[float, Field(ge=0, le=1)] | None
    remove: list[LabelBox]
    add: list[LabelBox]


class ReviewDocument(TypedDict):
    """review.json, as far as others than the page read it; ``images`` are those that were reviewed."""

    version: NotRequired[int]
    review: str
    images: list[str]
    suspects: list[SuspectedError]


Kind = Literal["missing", "class", "box", "unsupported", "double", "merged"]
"""Of suspected errors; it comes into a table, and so it is no text of a stranger."""


class Decision(TypedDict):
    """About one suspected error: accepted, the labels of ``remove`` go and those of ``add`` come."""

    id: Count
    image: str
    kind: Kind
    decision: Literal["accept", "reject", "skip"]
    remove: list[LabelBox]
    add: list[LabelBox]


class Decisions(TypedDict):
    """decisions.json, which the page of ``anomdet review`` exports.

    ``hard_normals`` are normal images on which the detector fires, and each of whose suspects is rejected.
    """

    version: NotRequired[int]
    review: str
    decisions: list[Decision]
    hard_normals: NotRequired[list[str]]
