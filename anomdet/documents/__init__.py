"""The JSON files between the rooms, typed and versioned, and how one from a stranger is read."""

from anomdet.documents.kinds import VERSION, Details, Metrics, SplitRecord
from anomdet.documents.read import read_details, read_json, read_metrics, read_split_record

__all__ = [
    "VERSION",
    "Details",
    "Metrics",
    "SplitRecord",
    "read_details",
    "read_json",
    "read_metrics",
    "read_split_record",
]
