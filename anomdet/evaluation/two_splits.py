"""The validation and the test results of another tool must belong together, and be of different images."""

from __future__ import annotations

from anomdet.errors import Problem, UserError
from anomdet.evaluation.results import Results


def check_same_classes(one: Results, other: Results, files: tuple[str, str]) -> None:
    """Raise where a class number has two names.

    Args:
        one, other: results of two splits.
        files: of their ground truth, for messages.

    Raises:
        UserError: as said; thresholds of one class would be given to another.
    """
    names = _names(other)
    problems: list[Problem | str] = [
        Problem(f"{files[0]}: category {number}", f"the name {names[number]!r}, as in {files[1]}", repr(name))
        for number, name in _names(one).items()
        if names.get(number, name) != name
    ]
    if problems:
        raise UserError(problems)


def num_shared(one: Results, other: Results) -> int:
    """How many images of the one have the name of an image of the other, and as many objects."""
    objects = _num_objects(other)
    return sum(objects.get(name) == number for name, number in _num_objects(one).items())


def _names(results: Results) -> dict[int, str]:
    return dict(zip(results.class_nums.tolist(), results.class_names, strict=True))


def _num_objects(results: Results) -> dict[str, int]:
    counts = [0] * results.num_images
    for at in results.gt.image.tolist():
        counts[at] += 1
    return dict(zip(results.file_names, counts, strict=True))
