"""XML files of a user: elements that know their line; entities and outside references are refused."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers import expat

from anomdet.formats.dataset import NOTHING, Findings, Phrase, to_number
from anomdet.strict_files import read_regular

_MAX_DEPTH = 100
_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_ENCODING = re.compile(rb"""\s*<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")


@dataclass
class Element:
    """One element.

    Args:
        tag: its name.
        attributes: of the element.
        line: where it starts, from 1.
        text: directly inside it, without outer blanks.
        children: in the order of the file.
    """

    tag: str
    attributes: dict[str, str]
    line: int
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def child(self, tag: str) -> Element | None:
        """The first child of that name."""
        return next((child for child in self.children if child.tag == tag), None)

    def find(self, *tags: str) -> Element | None:
        """Down a path of names."""
        found: Element | None = self
        for tag in tags:
            found = found.child(tag) if found is not None else None
        return found

    def child_text(self, *tags: str) -> str:
        """The text of a child; empty if there is none."""
        found = self.find(*tags)
        return found.text if found is not None else ""


class _Refused(Exception):
    """XML that is not plain; the text says what it holds."""


class _Builder:
    """expat's handlers."""

    def __init__(self, parser: Any) -> None:
        self.root: Element | None = None
        self._open: list[tuple[Element, list[str]]] = []
        self._parser = parser
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.EntityDeclHandler = self._refuse_entity
        parser.ExternalEntityRefHandler = self._refuse_entity

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        element = Element(tag, attributes, self._parser.CurrentLineNumber)
        if len(self._open) >= _MAX_DEPTH:
            raise _Refused(f"elements {_MAX_DEPTH} deep")
        if self._open:
            self._open[-1][0].children.append(element)
        else:
            self.root = element
        self._open.append((element, []))

    def _end(self, _tag: str) -> None:
        element, parts = self._open.pop()
        element.text = "".join(parts).strip()

    def _text(self, text: str) -> None:
        self._open[-1][1].append(text)

    def _refuse_entity(self, *_about: Any) -> int:
        raise _Refused("the declaration of an entity, which can blow up or read other files")


def _decoded(data: bytes) -> tuple[bytes, str | None]:
    """The file for the parser, and its encoding where that is not what its first line says.

    The parser knows few encodings; Python knows the others, such as the GBK of tools on Chinese systems.

    Raises:
        LookupError: there is no such encoding.
        ValueError: the bytes are not of it.
    """
    found = _ENCODING.match(data)
    if found is None or found[1].lower() in (b"utf-8", b"utf8", b"utf-16", b"iso-8859-1", b"us-ascii"):
        return data, None
    return data.decode(found[1].decode("ascii")).encode("utf-8"), "utf-8"


def read_xml(path: Path, where: str, root: str, findings: Findings) -> Element | None:
    """The root element, if it has the expected name; None and a problem if not."""
    try:
        data, encoding = _decoded(read_regular(path).removeprefix(b"\xef\xbb\xbf"))
    except OSError as error:
        findings.problem(where, "a readable file", Phrase(error.strerror or error))
        return None
    except (ValueError, LookupError) as error:
        findings.problem(where, "XML in the encoding that its first line names", Phrase(error), "save it in UTF-8")
        return None
    parser = expat.ParserCreate(encoding)
    builder = _Builder(parser)
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        got = Phrase(expat.errors.messages[error.code])
        findings.problem(f"{where}:{error.lineno}", "XML", got, _hint(data, encoding))
        return None
    except (ValueError, LookupError) as error:
        findings.problem(where, "XML in UTF-8", Phrase(error), "save it in UTF-8")
        return None
    except _Refused as error:
        findings.problem(f"{where}:{parser.CurrentLineNumber}", "plain XML", Phrase(error), "export the file again")
        return None
    assert builder.root is not None
    if builder.root.tag != root:
        findings.problem(f"{where}:{builder.root.line}", f"<{root}>", Phrase(f"<{builder.root.tag}>"))
        return None
    return builder.root


def _hint(data: bytes, encoding: str | None) -> str:
    if encoding is None and _ENCODING.match(data) is None and not data.startswith(_BOMS):
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            return "save it in UTF-8, or name its encoding in the first line"
    return "export the file again"


def number_in(text: str | None, place: str, what: str, findings: Findings) -> float | None:
    """A finite number; None and a problem if the text is something else."""
    value = to_number(text)
    if value is None:
        is_decimal = to_number((text or "").replace(",", ".")) is not None
        hint = "write decimals with a point" if is_decimal else ""
        findings.problem(place, f"a finite number as {what}", text or NOTHING, hint)
    return value


def size_in(texts: tuple[str, str], place: str, findings: Findings) -> tuple[int, int]:
    """Width and height; (0, 0) where the file does not say."""
    if not any(texts):
        return 0, 0
    values = [to_number(text) for text in texts]
    if any(value is None or value < 0 for value in values):
        findings.problem(place, "a width and a height in pixels", Phrase(f"{texts[0]!r} and {texts[1]!r}"))
        return 0, 0
    width, height = (int(value or 0) for value in values)
    return (width, height) if width and height else (0, 0)


def escape(text: str) -> str:
    """A text as the content of an element or, in double quotes, as an attribute."""
    for sign, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(sign, name)
    return text
