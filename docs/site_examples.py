"""griffe's extension: ``>>>`` examples in docstrings are blocks of code, which Markdown takes for quotations."""

from __future__ import annotations

import re
from typing import Any

import griffe

_EXAMPLE = re.compile(r"(?m)(^>>> [^\n]*\n?(?:^\S[^\n]*\n?)*)+")


class Examples(griffe.Extension):
    """Puts each group of examples into a fence."""

    def on_object(self, *, obj: griffe.Object, **_others: Any) -> None:
        """Called for each object with its docstring as it is written."""
        if obj.docstring is not None:
            obj.docstring.value = _EXAMPLE.sub(r"```pycon\n\g<0>\n```\n", obj.docstring.value)
