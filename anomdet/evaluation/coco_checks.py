"""What is wrong with the lists of a COCO data set and of its results: of equal mistakes the first, and their number."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from reprlib import repr as short_repr
from typing import Any, NamedTuple

from anomdet.errors import Problem

LARGEST = 1e100  # an area can still be computed
_MAX_PROBLEMS = 20
_SHOWN = 3  # of equal mistakes
_MOST_PIXELS = 2**31
_LARGEST_ID = 2**63 - 1
_NAMES_OF_CLASS = ("class_id", "class", "cls", "label", "category", "category_name", "class_name", "name")
_NAMES_OF_SCORE = ("confidence", "conf", "probability", "prob", "scores", "confidence_score")


class Check(NamedTuple):
    """One key of an entry.

    Args:
        key: of the entry.
        expected: of its value, in words.
        is_right: whether a value is so.
        hint: an entry with another value to what to do about it.
    """

    key: str
    expected: str
    is_right: Callable[[Any], bool]
    hint: Callable[[Mapping[str, Any]], str] = lambda entry: ""


def wrong_lists(ground_truth: Any, gt_file: str, predictions: Any, predictions_file: str) -> list[Problem]:
    """What is no list where COCO has one."""
    problems = []
    if not isinstance(ground_truth, dict):
        problems.append(_wrong_kind(gt_file, "a JSON object with images, annotations and categories", ground_truth))
    else:
        keys = ("images", "annotations", "categories")
        wrong = [key for key in keys if not isinstance(ground_truth.get(key), list)]
        problems += [Problem(f"{gt_file}: {key}", "an array", type(ground_truth.get(key)).__name__) for key in wrong]
    return problems if isinstance(predictions, list) else [*problems, _no_list(predictions_file, predictions)]


def _no_list(where: str, got: Any) -> Problem:
    """COCO's results are a list; some tools write it into an object, or give the data set itself."""
    lists = [key for key, value in got.items() if isinstance(value, list)] if isinstance(got, dict) else []
    found = f"an object with {', '.join(map(short_repr, lists[:4]))}" if lists else type(got).__name__
    hint = "save the list of results alone, as COCO has it: image_id, category_id, bbox and score in each entry"
    return Problem(where, "a JSON array", found, hint)


def wrong_heads(ground_truth: Mapping[str, Any], gt_file: str) -> list[Problem]:
    """What is wrong with images and categories, up to twenty places of each."""
    found: list[Problem] = []
    for key, checks in (("images", _IMAGE_CHECKS), ("categories", _CATEGORY_CHECKS)):
        entries, where = ground_truth[key], f"{gt_file}: {key}"
        found += islice(chain(_wrong_values(entries, where, checks), _repeated_ids(entries, where)), _MAX_PROBLEMS)
    return found


def wrong_entries(annotations: list, gt_file: str, predictions: list, predictions_file: str, known: tuple) -> list:
    """What is wrong with annotations and predictions: of equal mistakes three, and how many they are.

    Args:
        annotations, predictions: of the files.
        gt_file, predictions_file: their names in messages.
        known: the images by id, and the names of the classes by id.
    """
    by_id, names = known
    classes = ", ".join(f"{number} ({name})" for number, name in islice(sorted(names.items()), 5))
    more = " ..." if len(names) > 5 else ""
    of_both = [
        Check(
            "category_id",
            "the id of a category in the ground truth",
            lambda value: _known(value, names),
            lambda entry: (
                _called(entry, "category_id", _NAMES_OF_CLASS)
                or (f"there are {classes}{more}" if names else "it has no categories")
            ),
        ),
        Check("bbox", "[x, y, width, height], finite (below 1e100), no size negative", _is_bbox, _hint_of_box),
    ]
    image = Check("image_id", "the id of an image in the ground truth", lambda value: _known(value, by_id))
    return [
        *_in_few_lines(annotations, f"{gt_file}: annotations", [image, *of_both, _AREA, _CROWD]),
        *_in_few_lines(predictions, predictions_file, [*of_both, _SCORE]),
    ]


def another_format(predictions: list, predictions_file: str) -> list[Problem]:
    """One line for entries of other keys, as torchvision's (boxes, labels, scores of an image)."""
    entries = [entry for entry in predictions if isinstance(entry, dict)]
    missing = [key for key in ("category_id", "bbox", "score") if not any(key in entry for entry in entries)]
    if not entries or len(missing) < 2:
        return []
    got = f"entries with {', '.join(map(short_repr, islice(entries[0], 6))) or 'nothing'}"
    expected = "an entry for each box, with image_id, category_id, bbox (x, y, width, height) and score"
    return [Problem(predictions_file, expected, got, "write them as COCO's results")]


def _in_few_lines(entries: list, where: str, checks: list[Check]) -> Iterator[Problem]:
    first: dict[tuple[str, str], list[Problem]] = defaultdict(list)
    count: Counter[tuple[str, str]] = Counter()
    for problem in _wrong_values(entries, where, checks):
        kind = problem.where.rpartition("]")[2], problem.expected
        count[kind] += 1
        if count[kind] <= _SHOWN:
            first[kind].append(problem)
    for (key, expected), shown in first.items():
        yield from (Problem(one.where, one.expected, one.got) for one in shown[:-1])
        yield shown[-1]
        if count[key, expected] > len(shown):
            got = f"another in {count[key, expected]} of {len(entries)}"
            yield Problem(f"{where}[...]{key}", f"{expected} in every entry", got)


def _wrong_values(entries: list, where: str, checks: Iterable[Check]) -> Iterator[Problem]:
    for i, entry in enumerate(entries):
        if not isinstance(entry, dict):
            yield _wrong_kind(f"{where}[{i}]", "a JSON object", entry)
            continue
        for check in checks:
            got = entry.get(check.key)
            if not check.is_right(got):
                yield Problem(f"{where}[{i}].{check.key}", check.expected, short_repr(got), check.hint(entry))


def _repeated_ids(entries: list, where: str) -> Iterator[Problem]:
    seen: set[int | str] = set()
    for i, entry in enumerate(entries):
        number = entry.get("id") if isinstance(entry, dict) else None
        if not isinstance(number, (int, str)) or isinstance(number, bool):
            continue
        if number in seen:
            yield Problem(f"{where}[{i}].id", "an id that no other has", short_repr(number))
        seen.add(number)


def _wrong_kind(where: str, expected: str, got: Any) -> Problem:
    return Problem(where, expected, type(got).__name__)


def is_mark(value: Any) -> bool:
    """0, 1 or nothing; a text is none: bool("0") would make every object one of a crowd."""
    return value is None or (isinstance(value, (int, float)) and value in (0, 1))


def _is_image_id(value: Any) -> bool:
    return _is_id(value) or (isinstance(value, str) and bool(value) and _is_text(value))


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST_ID


def _is_text(value: Any) -> bool:
    """Nothing, a whole number, or what can be written as UTF-8, which half a surrogate pair cannot."""
    if isinstance(value, str):
        return not any("\ud800" <= letter <= "\udfff" for letter in value)
    return value is None or _is_id(value)


def _is_length(value: Any) -> bool:
    return value is None or (_is_number(value) and 0 <= value <= _MOST_PIXELS and value == int(value))


def _known(value: Any, table: Mapping[Any, Any]) -> bool:
    return isinstance(value, (int, float, str)) and not isinstance(value, bool) and value in table


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -LARGEST <= value <= LARGEST


def _is_bbox(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(map(_is_number, value)) and min(value[2:]) >= 0


def _called(entry: Mapping[str, Any], key: str, names: Iterable[str]) -> str:
    name = next((name for name in names if name in entry), None) if entry.get(key) is None else None
    return f"it is called {name!r} here: write it as {key}" if name else ""


def _hint_of_box(entry: Mapping[str, Any]) -> str:
    if not entry.get("bbox") and entry.get("segmentation"):
        return "a mask alone is not measured: write the box around it"
    return ""


def _hint_of_score(entry: Mapping[str, Any]) -> str:
    score = entry.get("score")
    if score is None:
        return _called(entry, "score", _NAMES_OF_SCORE)
    if not _is_number(score):
        return ""
    if 1 < score <= 100:
        return "divide percent by 100; of logits take the sigmoid"
    return "of logits take the sigmoid" if score < 0 else ""


_ID = Check("id", "an integer of 64 bits", _is_id)
_IMAGE_ID = Check("id", "an integer of 64 bits or a text", _is_image_id)
_IMAGE_CHECKS: tuple[Check, ...] = (
    _IMAGE_ID,
    Check("file_name", "a text", _is_text),
    Check("part", "a text", _is_text),
    Check("width", "a whole number of pixels", _is_length),
    Check("height", "a whole number of pixels", _is_length),
)
_CATEGORY_CHECKS: tuple[Check, ...] = (_ID, Check("name", "a text", _is_text))
_SCORE = Check("score", "a number from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1, _hint_of_score)
_CROWD = Check("iscrowd", "0 or 1, a number", is_mark)
_AREA = Check(
    "area",
    "a finite number, not negative, or nothing",
    lambda value: value is None or (_is_number(value) and value >= 0),
    lambda entry: "left out, it is the box's",
)
