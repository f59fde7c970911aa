"""What a run uses of a sampler, data set, metric or hook where it has it; a user's own need not have it.

Rooms do not import each other: these protocols are the agreement between the engine and what the config builds.
``isinstance`` asks for the names only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@runtime_checkable
class SkipsDraws(Protocol):
    """A sampler that begins in the middle of an epoch without reading the earlier images."""

    num_draws: int

    def skip(self, num_draws: int) -> None:
        """Leave out the first draws of the next epoch, of all processes together."""


@runtime_checkable
class KnowsDraws(Protocol):
    """A sampler that draws some items more often than others."""

    def expected_draws(self) -> NDArray[np.float64]:
        """``(items,)`` how often each comes in an epoch, on average."""


@runtime_checkable
class EntersEpochs(Protocol):
    """A loop that may begin in the middle of an epoch."""

    first_draw: int
    first_batch: int


@runtime_checkable
class HasSplitHashes(Protocol):
    """A data set that knows which images each split holds."""

    split_hashes: Mapping[str, str]


class Stamps(Protocol):
    """Files as they were at one moment."""

    def changed(self, budget_s: float) -> Sequence[str]:
        """Those that are others now, of as many as can be looked at in this time."""


@runtime_checkable
class HasFileStamps(Protocol):
    """A data set that can say later which of its files have changed."""

    def file_stamps(self) -> Stamps:
        """Of the files as they are now."""


@runtime_checkable
class HasBitDepth(Protocol):
    """A step of a pipeline that reads images of more than 8 bits."""

    bit_depth: int


@runtime_checkable
class ChoosesPoint(Protocol):
    """A metric that chooses score thresholds on the validation split."""

    def chosen_point(self) -> dict[str, Any] | None:
        """The operating point with its criterion; None: the last validation gave none."""


@runtime_checkable
class KeepsBoxes(ChoosesPoint, Protocol):
    """A metric that keeps the truth and the predictions which it measured last, and which of them count."""

    last: Any  # evaluation.summary.Measured; None: none yet, or another process has it


@runtime_checkable
class Closes(Protocol):
    """A hook that gives something back, however the run ended."""

    def close(self) -> None:
        """Give it back."""


@runtime_checkable
class StopsEarly(Protocol):
    """A hook that may end a run before its last epoch."""

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """As MMEngine's: what an earlier run had reached."""

    def reason(self) -> str:
        """Why it ends; empty: it does not."""


def split_hashes(dataset: object) -> dict[str, str]:
    """Split name to the hash of its list of images; empty for a data set that does not know them."""
    return dict(dataset.split_hashes) if isinstance(dataset, HasSplitHashes) else {}
