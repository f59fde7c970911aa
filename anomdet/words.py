"""Numbers in sentences."""

from __future__ import annotations


def counted(number: int, noun: str, several: str = "") -> str:
    """A number with its noun, which has an s for all but one unless its plural is given.

    >>> counted(1, "image"), counted(2000, "image"), counted(2, "box", "boxes")
    ('1 image', '2,000 images', '2 boxes')
    """
    return f"{number:,} {noun if number == 1 else several or f'{noun}s'}"


def apart(first: float, second: float) -> tuple[str, str]:
    """Two different numbers with as many digits, three at least, as show that they differ.

    >>> apart(0.29996, 0.3), apart(0.21, 0.3)
    (('0.29996', '0.3'), ('0.21', '0.3'))
    """
    for digits in range(3, 18):
        texts = f"{first:.{digits}g}", f"{second:.{digits}g}"
        if texts[0] != texts[1]:
            return texts
    return repr(first), repr(second)
