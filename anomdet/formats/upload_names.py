"""Names of files that were uploaded to Label Studio: eight hex digits and a dash stand in front of the owner's name.

It also writes blanks as ``_`` and leaves out signs as brackets (Django's ``get_valid_filename``).
"""

from __future__ import annotations

import re

from anomdet.data.index.spelling import plain_spelling

_PREFIX = re.compile(r"^[0-9a-f]{8}-(?=.)")
_NO_SIGN = re.compile(r"[^-\w.]")


def without_upload_prefix(name: str) -> str:
    """The owner's name of an uploaded file, with the folders that it has; empty if no prefix stands in front of it.

    >>> without_upload_prefix("upload/1/abcdef12-part.jpg"), without_upload_prefix("part.jpg")
    ('upload/1/part.jpg', '')
    """
    folder, slash, base = name.rpartition("/")
    bare = _PREFIX.sub("", base)
    return "" if bare == base else f"{folder}{slash}{bare}"


def uploaded_spelling(name: str) -> str:
    """What the owner's name of a file and the one that Label Studio makes of it have in common.

    >>> uploaded_spelling("Part 1 (left).jpg") == uploaded_spelling("Part_1_left.jpg")
    True
    """
    return _NO_SIGN.sub("", plain_spelling(name).strip().replace(" ", "_"))
