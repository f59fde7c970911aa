"""The JSON files between the rooms, typed and versioned, and how one from a stranger is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anomdet.documents.read import (
    VERSION,
    read_decisions,
    read_details,
    read_json,
    read_metrics,
    read_review,
    read_split_record,
)

if TYPE_CHECKING:  # their types cost pydantic
    from anomdet.documents.kinds import Details, Metrics, SplitRecord
    from anomdet.documents.review_kinds import Decisions, ReviewDocument

__all__ = [
    "VERSION",
    "Decisions",
    "Details",
    "Metrics",
    "ReviewDocument",
    "SplitRecord",
    "kinds",
    "read_decisions",
    "read_details",
    "read_json",
    "read_metrics",
    "read_review",
    "read_split_record",
    "review_kinds",
    "scalars",
]
