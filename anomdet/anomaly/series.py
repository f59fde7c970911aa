"""Normal images that come in series: alike their neighbours in the order of their names, and worth fewer than they are.

A production run, a film, six lights of one part: such images are high or low together, and each is known by the others.
What their scores promise then holds for more of the same series, and less sure than so many images on their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
LEAST_DEVIATIONS = 4.0  # of chance, from which on neighbours are alike: 3 in 100,000
MAX_NUMBERS = 8  # of a name, the last ones
SHARE_AT_REACH = 0.25  # of the likeness of direct neighbours
MAX_REACH, MAX_REACH_SHARE = 12, 0.05  # parts, and of the parts: enough must be left to judge by, in little time
NATURAL = "names"


@dataclass(frozen=True, eq=False)
class Series:
    """An order in which neighbours are alike.

    Args:
        by: for a person, ``names`` or ``the last number of the names``.
        order: ``(N,)`` positions of the parts.
        reach: how far apart in it parts are still alike.
    """

    by: str
    order: NDArray[np.int64]
    reach: int

    def num_effective(self, scores: Doubles) -> int:
        """How many independent parts these ``(N,)`` scores are worth: N / (1 + 2 * the sum of their rank correlations).

        Those of parts 1, 2, ... apart are summed as long as they stand out from chance.
        """
        ranks = np.argsort(np.argsort(scores[self.order])).astype(np.float64)[:, None]
        num, total = len(ranks), 0.0
        for lag in range(1, max(num // 4, 2)):
            if (found := correlation(ranks, lag)) <= 1 / np.sqrt(num):
                break
            total += found
        return max(round(num / (1 + 2 * total)), 1)

    def among(self, kept: NDArray[np.int64]) -> Series:
        """The same order of some of the parts.

        Args:
            kept: ``(M,)`` their positions, ascending.
        """
        order = self.order[np.isin(self.order, kept)]
        return replace(self, order=np.searchsorted(kept, order))

    def blocks(self) -> list[NDArray[np.int64]]:
        """``(N,)`` block numbers by two partitions, of which each part is well within a block of one at least."""
        place = np.argsort(self.order)
        length = 4 * self.reach
        return [(place + shift) // length for shift in (0, length // 2)]

    def inside(self) -> NDArray[np.bool_]:
        """``(N,)`` whether a part is farther from the ends of its block by the first partition than by the second."""
        length = 4 * self.reach
        within = np.argsort(self.order) % length
        kept: NDArray[np.bool_] = (within >= self.reach) & (within < length - self.reach)
        return kept


def find_series(names: Sequence[str], descriptions: NDArray[np.float32]) -> Series | None:
    """The order by name in which neighbours are most alike; None: in no order more than by chance.

    Args:
        names: of N parts.
        descriptions: ``(N, D)`` of them.
    """
    rows: Doubles = np.asarray(descriptions, dtype=np.float64)
    rows = (rows - rows.mean(axis=0)) / np.maximum(rows.std(axis=0), 1e-6)
    spread = rows.T @ rows
    if len(rows) < 3 or not np.trace(spread):
        return None
    chance = np.sqrt(float((spread**2).sum())) / float(np.trace(spread)) / np.sqrt(len(rows))
    orders = name_orders(names)
    alike = {by: correlation(rows[order], 1) for by, order in orders.items()}
    by = max(alike, key=alike.__getitem__)
    if alike[by] <= LEAST_DEVIATIONS * chance:
        return None
    reach, most = 1, max(min(int(MAX_REACH_SHARE * len(rows)), MAX_REACH), 1)
    while reach < most and correlation(rows[orders[by]], reach + 1) > SHARE_AT_REACH * alike[by]:
        reach += 1
    return Series(by, orders[by], reach)


def correlation(rows: Doubles, lag: int) -> float:
    """Of rows ``(N, D)`` with those ``lag`` further on: 1 the same, 0 by chance."""
    centred = rows - rows.mean(axis=0)
    return float((centred[lag:] * centred[:-lag]).sum() / max(float((centred**2).sum()), 1e-300))


def name_orders(names: Sequence[str]) -> Mapping[str, NDArray[np.int64]]:
    """``(N,)`` positions by whole names, numbers in them as numbers, and by each number that all names have.

    >>> {by: order.tolist() for by, order in name_orders(["a2_7.png", "a10_5.png"]).items()}
    {'names': [0, 1], 'the last number of the names': [1, 0], 'the last number but 1 of the names': [0, 1]}
    """
    paths = [PurePath(name) for name in names]
    pieces = [re.split(r"([0-9]+)", str(path.with_suffix("") if path.name else path)) for path in paths]
    keys = [[int(piece) if at % 2 else piece for at, piece in enumerate(row)] for row in pieces]
    natural = np.array(sorted(range(len(names)), key=keys.__getitem__), dtype=np.int64)
    found = {NATURAL: natural}
    for back in range(min(min(len(row) // 2 for row in keys), MAX_NUMBERS)):
        numbers = [keys[at][-2 - 2 * back] for at in natural]
        if len(set(numbers)) > 1:
            by = f"the last number{f' but {back}' if back else ''} of the names"
            found[by] = natural[sorted(range(len(numbers)), key=numbers.__getitem__)]
    return found
