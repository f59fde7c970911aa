"""Class numbers of a source that are other classes in ``--classes``, as in exports after a class came or went."""

from __future__ import annotations

from anomdet.formats.dataset import Dataset, Findings


def take_by_name(dataset: Dataset, given: dict[int, str], beside: dict[int, str], findings: Findings) -> None:
    """Make names of the labels that are numbers, in place, where the source gives a name of ``given`` another number.

    Where it does not, the names of ``given`` hold for the numbers, and what is called otherwise is noted.

    Args:
        dataset: as a reader returned it.
        given: number to name, of ``--classes``.
        beside: of a classes.yaml of the source, where the format itself names no classes.
        findings: takes the notes.
    """
    names = dataset.names or beside
    wanted = {name: number for number, name in given.items()}
    moved = any(wanted.get(name, number) != number for number, name in names.items())
    for picture in dataset.pictures:
        for at, box in enumerate(picture.boxes):
            if isinstance(box.label, str):
                continue
            name = names.get(box.label, str(box.label))
            if moved:
                picture.boxes[at] = box._replace(label=name)
            now = wanted.get(name, box.label) if moved else box.label
            if now != box.label or given.get(now, name) != name != str(now):
                fate = f"class {now}, {given[now]!r}, as --classes says"
                findings.note(f"class {box.label}, {name!r}", fate, picture.where)
    if moved:
        dataset.names = {}
