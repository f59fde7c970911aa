"""Work on many items that all processes of a run share, with the results in the order of the items."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from mmengine.dist import all_gather_object, get_dist_info

from anomdet.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")
_BLOCK = 4  # items of a process between two exchanges: memory for so many results of each


def shared_work(items: Sequence[Item], work: Callable[[Item], Result]) -> Iterator[Result]:
    """The result of each item, in order, in every process; each works on its share, and all must iterate to the end.

    Args:
        items: the same in all processes.
        work: on one of them; its result must not depend on the process.

    Raises:
        UserError: in every process, what one of them met; after the results of the blocks before.
    """
    rank, world = get_dist_info()
    if world == 1:
        yield from map(work, items)
        return
    for start in range(0, len(items), _BLOCK * world):
        block = items[start : start + _BLOCK * world]
        own: list[Result] = []
        failure = ""
        try:
            own = [work(item) for item in block[rank::world]]
        except UserError as error:
            failure = str(error)
        everyone = all_gather_object((own, failure))
        if first := next((text for _, text in everyone if text), ""):
            raise UserError(first)
        for at in range(len(block)):
            yield everyone[at % world][0][at // world]
