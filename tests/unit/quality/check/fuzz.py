"""Label files that nobody should write, and by another way than the package's which of their lines are objects."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

SIZE_WH = (60, 40)
_BAD_WORDS = (
    "nan",
    "-inf",
    "Infinity",
    "1e999",
    "0x10",
    "1_0",
    "٣",
    "１２",
    "𝟛",
    "1e",
    "--3",
    "é",
    "",
    "None",
    "1/2",
    "\0",
)


def is_object(line: str) -> bool:
    """Whether a line is an object of the format, by Python's own float()."""
    fields = [field for field in re.split(r"[ \t\r\f\v]+", line) if field]
    if len(fields) != 5 or not line.isascii():
        return False
    if any(set(field) - set("+-.0123456789eE") for field in fields):
        return False
    try:
        int(fields[0])
        x, y, width, height = map(float, fields[1:])
    except ValueError:
        return False
    short = len(fields[0].lstrip("+-")) <= 18
    return short and max(map(abs, (x, y, width, height))) < 1e7 and width > 0 and height > 0


def good_line(rng: random.Random) -> str:
    """An object inside the image."""
    width, height = rng.uniform(3, 20), rng.uniform(3, 15)
    box = [rng.uniform(0, SIZE_WH[0] - width - 0.1), rng.uniform(0, SIZE_WH[1] - height - 0.1), width, height]
    style: Callable[[float], str] = rng.choice(
        (repr, lambda v: f"{v:.2f}", lambda v: f"+{v:.3e}", lambda v: f"{v:08.3f}")
    )
    fields = [rng.choice(("1", "+2", "-3", "0007")), *map(style, box)]
    gap = rng.choice((" ", "\t", "  ", " \t\f"))
    return rng.choice(("", " ", "\t")) + gap.join(fields) + rng.choice(("", " ", "\t\v"))


def bad_line(rng: random.Random) -> str:
    """Mostly not an object; :func:`is_object` has the last word."""
    fields = good_line(rng).split()
    kind = rng.randrange(10)
    if kind == 0:
        fields[rng.randrange(5)] = rng.choice(_BAD_WORDS)
    elif kind == 1:
        del fields[rng.randrange(5) :]
    elif kind == 2:
        fields += ["0.9"] * rng.choice((1, 2, 500))
    elif kind == 3:
        fields[rng.choice((3, 4))] = rng.choice(("0", "-5", "-0.0", "1e-400", "-1e-3"))
    elif kind == 4:
        return rng.choice((",", ", ", ";", " ; ", "|", "\u00a0", "\u3000", "\x1c")).join(fields)
    elif kind == 5:
        fields[rng.randrange(5)] = str(rng.randrange(10**7, 10**30)) * rng.choice((1, 1, 60))
    elif kind == 6:
        return rng.choice("([{<#\"'") * rng.choice((1, 9, 3000)) + " ".join(fields)
    elif kind == 7:
        return "".join(
            chr(rng.choice((rng.randrange(32, 127), rng.randrange(128, 0x2FFF)))) for _ in range(rng.randrange(1, 60))
        )
    elif kind == 8:
        fields = [field.replace(".", ",") for field in fields]
    else:
        fields[0] = rng.choice(("1.0", "scratch", "1.5", "9" * 19, "1e0"))
    return " ".join(fields)


def fuzzed_file(rng: random.Random) -> tuple[bytes, list[int], list[int], str]:
    """A label file: its bytes, its bad lines and good lines (from 1), and how it is written."""
    lines: list[str] = []
    for _ in range(rng.choice((0, 1, 2, 3, 4, 8))):
        lines.append(rng.choice((good_line, good_line, bad_line, lambda _rng: rng.choice(("", " ", "\t"))))(rng))
    lines = [part for line in lines for part in line.split("\n")]
    bad = [num for num, line in enumerate(lines, start=1) if line.strip() and not is_object(line)]
    good = [num for num, line in enumerate(lines, start=1) if is_object(line)]
    style = rng.choice(("plain",) * 6 + ("crlf", "bom", "utf-16", "utf-16-le", "latin-1", "bytes"))
    text = ("\r\n" if style == "crlf" else "\n").join(lines) + rng.choice(("", "\n"))
    if style in ("utf-16", "utf-16-le"):
        return text.encode(style), bad, good, style
    data = text.encode("utf-8")
    if style == "bom":
        data = b"\xef\xbb\xbf" + data
    elif style == "latin-1":
        data = f"{text.rstrip()}\n# größe\n".encode("latin-1", "replace")
        bad = [
            num
            for num, line in enumerate(data.decode("latin-1").split("\n"), start=1)
            if line.strip() and not is_object(line)
        ]
    elif style == "bytes":
        data, bad, good = rng.randbytes(rng.randrange(1, 200)) + b"\xff\xfd", [1], []
    return data, bad, good, style
