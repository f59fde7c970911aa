"""The file in a multipart/form-data body, in memory: nothing is written to a disk. Source: RFC 7578."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from anomdet.serving.refusal import Refusal

_MAX_PARTS = 32
# RFC 8187, which RFC 7578 forbids here; requests on urllib3 1.x sends names that are no ASCII so, and so only.
_EXTENDED_NAME = re.compile(rb"filename\*\s*=\s*\"?[\w-]+'[\w-]*'([^;\"\s]*)", re.IGNORECASE)
_OF_THE_ADDRESS = {"min_score", "model", "threshold"}


@dataclass
class Part:
    """One part of the form.

    Args:
        headers: in lower case.
        data: its content.
    """

    headers: dict[bytes, bytes]
    data: bytearray

    @property
    def file_name(self) -> str | None:
        """As the client calls the file; None: it is no file."""
        disposition = self.headers.get(b"content-disposition", b"")
        _, options = parse_options_header(disposition)
        name, extended = options.get(b"filename"), _EXTENDED_NAME.search(disposition)
        if name is None and extended is not None:
            name = unquote_to_bytes(extended[1])
        return None if name is None else name.decode("utf-8", "replace")

    @property
    def field_name(self) -> str:
        """As the form calls it."""
        _, options = parse_options_header(self.headers.get(b"content-disposition", b""))
        return options.get(b"name", b"").decode("utf-8", "replace")


class _Reader:
    """The parser's callbacks."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.is_whole = False
        self._field, self._value = bytearray(), bytearray()

    def callbacks(self) -> dict[str, object]:
        """By the parser's names."""
        return {
            "on_part_begin": self._begin,
            "on_part_data": lambda data, start, end: self.parts[-1].data.extend(data[start:end]),
            "on_header_field": lambda data, start, end: self._field.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.parts) >= _MAX_PARTS:
            raise Refusal(400, f"expected a form of at most {_MAX_PARTS} parts")
        self.parts.append(Part({}, bytearray()))

    def _header(self) -> None:
        self.parts[-1].headers[bytes(self._field).lower()] = bytes(self._value)
        self._field.clear()
        self._value.clear()

    def _end(self) -> None:
        self.is_whole = True


def file_in(body: bytes, content_type: str) -> tuple[str | None, bytes]:
    """The name and the bytes of the one file of a form; other fields are left out, but for those of the address.

    Raises:
        Refusal: 400: no form, cut, or another number of files.
    """
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if not boundary:
        hint = "leave out the header Content-Type: whoever writes the form sets it, with the boundary"
        raise Refusal(400, f"expected multipart/form-data with a boundary, got none; {hint}")
    reader = _Reader()
    try:
        parser = MultipartParser(boundary, reader.callbacks())  # type: ignore[arg-type]
        parser.write(body)
    except FormParserError as error:
        raise Refusal(400, f"expected multipart/form-data, got {str(error)[:200]!r}") from None
    files = [part for part in reader.parts if part.file_name is not None]
    if not reader.is_whole or len(files) != 1:
        none = "none (a part is a file if it has a filename)"
        got = (f"{len(files)} files" if files else none) if reader.is_whole else "a form that is cut"
        raise Refusal(400, f"expected a form with one file, got {got}")
    asked = {part.field_name for part in reader.parts if part.file_name is None} & _OF_THE_ADDRESS
    if asked:
        name = min(asked)
        raise Refusal(400, f"expected {name} behind a question mark in the address, got it as a field of the form")
    return files[0].file_name, bytes(files[0].data)
