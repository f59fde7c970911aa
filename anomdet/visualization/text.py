"""Text in any script as an image. cv2.putText knows ASCII only, so Pillow sets the type.

The font is DejaVu Sans, which comes with matplotlib (an MMDetection requirement): Latin, Greek, Cyrillic, Arabic. For
what it lacks, such as Chinese, Japanese and Korean, the machine's own fonts are tried; where none has a character, it
is shown without its accent or as its code point, so that two names never look alike.
"""

from __future__ import annotations

import importlib.util
import unicodedata
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

# Fonts with many scripts, under the names that Linux, Windows and macOS give them.
SYSTEM_FONTS = (
    *("NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "SourceHanSans-Regular.ttc", "wqy-microhei.ttc"),
    *("DroidSansFallbackFull.ttf", "msyh.ttc", "YuGothM.ttc", "msgothic.ttc", "malgun.ttf"),
    *("PingFang.ttc", "Hiragino Sans GB.ttc", "AppleSDGothicNeo.ttc", "Arial Unicode.ttf", "unifont.ttf"),
)
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@lru_cache(maxsize=4096)
def text_mask(text: str, font_px: int) -> NDArray[np.uint8]:
    """``text`` as coverage ``(H, W)``, 0 to 255; H depends on ``font_px`` only, W is at least 1."""
    text, font = _shown(text, font_px)
    width = max(1, round(font.getlength(text)))
    height = line_height(font_px)
    canvas = Image.new("L", (width, height))
    # On a fixed base line, so that chips of one size hold their text at one level.
    if isinstance(font, ImageFont.FreeTypeFont):
        ImageDraw.Draw(canvas).text((0, font_px), text, fill=255, font=font, anchor="ls")
    else:
        ImageDraw.Draw(canvas).text((0, 0), text, fill=255, font=font)
    mask = np.asarray(canvas, dtype=np.uint8)
    mask.setflags(write=False)
    return mask


def line_height(font_px: int) -> int:
    """Pixels from the top of the tallest letter to the bottom of the deepest."""
    return round(1.28 * font_px)


def text_width(text: str, font_px: int) -> int:
    """Pixels that ``text`` is wide."""
    return text_mask(text, font_px).shape[1]


def shorten(text: str, font_px: int, max_px: int) -> str:
    """``text``, or as much of its beginning as fits ``max_px`` with an ellipsis; at least one letter."""
    if text_width(text, font_px) <= max_px:
        return text
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if text_width(f"{text[:middle].rstrip()}…", font_px) <= max_px:
            low = middle
        else:
            high = middle - 1
    return f"{text[:low].rstrip()}…"


def _shown(text: str, font_px: int) -> tuple[str, Font]:
    """What is drawn for ``text``, and the first font that has all of it, else our own font."""
    text = " ".join(text.split())
    own = _own_font(font_px)
    if _has_all(own, text):
        return text, own
    for name in _system_fonts():
        font = ImageFont.truetype(name, font_px)
        if _has_all(font, text):
            return text, font
    return "".join(char if _has_all(own, char) else _spelled(char, own) for char in text), own


def _spelled(char: str, font: Font) -> str:
    plain = "".join(part for part in unicodedata.normalize("NFKD", char) if not unicodedata.combining(part))
    return plain if plain and _has_all(font, plain) else f"<{ord(char):X}>"


@lru_cache(maxsize=64)
def _own_font(font_px: int) -> Font:
    matplotlib = importlib.util.find_spec("matplotlib")  # found, not imported: that would take a third of a second
    if matplotlib is not None and matplotlib.origin is not None:
        path = Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if path.is_file():
            return ImageFont.truetype(str(path), font_px)
    return ImageFont.load_default(font_px)


@lru_cache(maxsize=1)
def _system_fonts() -> tuple[str, ...]:
    return tuple(name for name in SYSTEM_FONTS if _exists(name))


def _exists(name: str) -> bool:
    try:
        ImageFont.truetype(name, 12)
    except OSError:
        return False
    return True


def _has_all(font: Font, text: str) -> bool:
    return all(_has(font, char) for char in text)


@lru_cache(maxsize=65536)
def _has(font: Font, char: str) -> bool:
    # Fonts draw one sign for all that they lack; U+10FFFF is no character, so that sign is what it shows.
    if char.isspace():
        return True
    if not isinstance(font, ImageFont.FreeTypeFont):
        return char.isascii()
    return bytes(font.getmask(char)) != bytes(font.getmask("\U0010ffff"))
