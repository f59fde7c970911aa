"""``anomdet convert``: from one format of labels to another, with everything that could not go along told."""

from __future__ import annotations

from anomdet.data.convert.run import NOTES_FILE, Converted, Job, convert

__all__ = ["Job", "convert", "summary"]

_MAX_NOTES = 20


def summary(done: Converted) -> str:
    """What was converted, what did not go along, and the settings that fit the output."""
    names = {
        number: f"{number}" if name == str(number) else f"{number} ({name})" for number, name in done.names.items()
    }
    objects = ", ".join(f"{names[number]}: {count}" for number, count in done.objects.items())
    lines = [
        f"{done.num_images} images, {done.num_normal} of them normal; {sum(done.objects.values())} objects"
        + (f" by class: {objects}" if objects else "")
    ]
    if done.num_linked or done.num_copied:
        lines.append(f"image files: {done.num_linked} hard-linked, {done.num_copied} copied")
    if done.notes:
        lines.append("not carried over as it was:")
        lines += [f"  {note}" for note in done.notes[:_MAX_NOTES]]
    if len(done.notes) > _MAX_NOTES:
        lines.append(f"  and {len(done.notes) - _MAX_NOTES} more in {NOTES_FILE}")
    if done.settings:
        lines += ["for the settings:", *(f"  {line}" for line in done.settings.splitlines())]
    return "\n".join(lines)
