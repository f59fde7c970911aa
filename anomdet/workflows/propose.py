"""Settings that fit a data folder and this machine, each choice with its reason. Imports no torch."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomdet.errors import Problem, UserError
from anomdet.strict_files import MAX_LIST_BYTES, read_regular
from anomdet.words import counted
from anomdet.workflows.data_folder.beside_data import refuse_raw_data
from anomdet.workflows.data_folder.index import index_of
from anomdet.workflows.data_folder.split_lists import (
    SHARES,
    find_lists,
    is_given,
    tile_groups,
    with_groups,
    with_lists,
    without,
)

if TYPE_CHECKING:
    from anomdet.config.schema import Settings
    from anomdet.data.index.scan import DataIndex
    from anomdet.formats.names_beside import FoundNames
    from anomdet.quality.propose.choices import Choice, Given, Machine
    from anomdet.quality.propose.facts import DataFacts

DEVICES = ("auto", "cpu", "gpu")
_NO_NETWORK = ("model.name=null", "model.name=~", "model.name=")
_MODEL = {"model.name", "model.detection_model", "model.backbone", "model.custom_model_file"}
_OVERRIDES = {"model.overrides"}  # chosen for the preset's network, not for another
_MIN_IMAGES = 3  # one for each split
_SHOWN = {
    "model.name": "network",
    "model.overrides": "reported",
    "anomaly.enabled": "normal-only",
    "data.image_size": "image size",
    "data.tiles": "tiles",
    "training.batch_size": "batch",
    "training.epochs": "epochs",
    "training.class_imbalance_handling.method": "sampling",
    "training.class_imbalance_handling.normal_ratio": "normal share",
    "data.augmentations.rotation_degrees": "rotation",
    "data.augmentations.mosaic": "mosaics",
    "data.train_split": "train share",
    "data.num_workers": "loading",
    "data.group_by": "groups",
    "data.split.group_regex": "groups",
}


@dataclass(frozen=True)
class Proposal:
    """Settings that fit a data folder.

    Args:
        settings: complete.
        reasons: key to why its value was chosen.
        notes: lines about the data and the choices, for a reader.
        base: the preset that the settings start from, by the name of its file in configs/.
    """

    settings: Settings
    reasons: dict[str, str]
    notes: list[str]
    base: str


def propose_settings(
    data_dir: str | Path, overrides: Sequence[str] = (), *, device: str = "auto", megapixels: float | None = None
) -> Proposal:
    """Look at a data folder and this machine, and choose settings; nothing is written.

    Args:
        data_dir: holds images/ and labels/; it is not changed.
        overrides: ``key=value`` each: what the user has chosen, in place of a rule.
        device: ``auto`` looks for a GPU; ``cpu`` and ``gpu`` say what the run will use.
        megapixels: of the network's input, all images together, that the run has time for: where it is enough for many
            images, a larger image size is chosen. None: unknown.

    Raises:
        UserError: an override is wrong, or the data has problems.

    >>> anomdet.propose_settings("data").settings.training.epochs  # doctest: +SKIP
    """
    data_dir = Path(data_dir)
    raise_any(choice_problems(device, overrides))
    given = _keys(overrides)
    from anomdet.config.load import load_settings
    from anomdet.config.shipped import configs_dir
    from anomdet.data.index.scan import has_objects
    from anomdet.quality.propose.facts import facts_of
    from anomdet.quality.propose.machine import look
    from anomdet.quality.propose.network import GPU, preset_of
    from anomdet.quality.propose.rules import choose, choose_alone

    machine = _for_device(look(), device)
    no_network = any(text.replace(" ", "") in _NO_NETWORK for text in overrides)
    base = configs_dir() / f"{GPU.config if no_network else preset_of(machine).config}.yaml"
    settings = load_settings(base, overrides)
    refuse_raw_data(data_dir)
    index = _scan(data_dir, settings)
    if not has_objects(index) and not no_network:
        base = configs_dir() / f"{GPU.config}.yaml"
        settings = load_settings(base, [*overrides, _NO_NETWORK[0]])
    facts = facts_of(index)
    names = _names(data_dir, facts, settings)
    together = without(tile_groups(data_dir, settings.data, index), given)
    facts = replace(facts, group_pattern=None) if together else facts  # which would be of parts of tiles' names
    lists, list_notes = find_lists(with_groups(settings.data, together), index, given)
    taken = given | ({"data.split_files"} if lists else set()) | (_OVERRIDES if _MODEL & given else set())
    alone, own = settings.model.name is None, _given(with_lists(settings, lists), given, facts.num_images)
    chosen = choose_alone(facts, machine) if alone else choose(facts, machine, own, megapixels)
    choices = without(chosen, taken) | together
    reasons = {
        "data.classes": f"names from {names.source}" if names.source else "no names found beside the data",
        **{key: choice.reason for key, choice in choices.items()},
        **({"data.split_files": "lists found beside the data"} if lists else {}),
        **dict.fromkeys(given, "given on the command line"),
    }
    notes = [*_summary(facts, names, choices), *list_notes, *index.notes, *names.notes]
    return Proposal(_chosen(settings, data_dir, names, choices, lists), reasons, notes, base.name)


def _keys(overrides: Sequence[str]) -> set[str]:
    return {override.partition("=")[0].strip() for override in overrides}


def raise_any(problems: list[Problem]) -> None:
    if problems:
        raise UserError(problems)


def choice_problems(device: str, overrides: Sequence[str]) -> list[Problem]:
    problems = []
    if "data.data_dir" in _keys(overrides):
        problems.append(Problem("data.data_dir", "the folder as DATA_DIR alone", "another"))
    if device not in DEVICES:
        problems.append(Problem("--device", f"one of {', '.join(DEVICES)}", repr(device)))
    return problems


def _scan(data_dir: Path, settings: Settings) -> DataIndex:
    """The index of a folder without faults; what training would refuse is refused here."""
    advice = f"nothing was written; anomdet check --data {shlex.quote(str(data_dir))} says more"
    try:
        index = index_of(settings.data, data_dir)
        _check_convention(data_dir, settings)
    except UserError as error:
        raise UserError([*error.problems, advice], error.title or "The data cannot be trained on as it is:") from None
    if len(index.records) < _MIN_IMAGES:
        expected = f"at least {_MIN_IMAGES} images, one each to train, validate and test"
        raise UserError(Problem(str(data_dir), expected, str(len(index.records)), "nothing was written"))
    return index


def _check_convention(data_dir: Path, settings: Settings) -> None:
    """Boxes that training would take without a word, and that mean something else."""
    from anomdet.quality.check.check import Rules, check_data
    from anomdet.quality.check.findings import ERROR

    data = settings.data
    rules = Rules(data.classes, data.missing_labels, max_image_megapixels=data.max_image_megapixels)
    errors = [found for found in check_data(data_dir, rules).findings if found.severity == ERROR]
    if errors:
        raise UserError([Problem(found.where, found.expected, found.got, found.hint) for found in errors])


def is_this_machine(device: str) -> bool:
    """Whether ``--device`` names what is here: then some steps can be timed."""
    from anomdet.quality.propose.machine import look

    machine = look()
    return _for_device(machine, device) == machine


def _for_device(machine: Machine, device: str) -> Machine:
    if device == "cpu":
        return replace(machine, gpu=None, gpu_memory_gb=None)
    if device == "gpu" and machine.gpu is None:
        return replace(machine, gpu="a GPU, as --device says,")
    return machine


def _names(data_dir: Path, facts: DataFacts, settings: Settings) -> FoundNames:
    from anomdet.formats.names_beside import FoundNames, names_beside

    if settings.data.classes:
        return FoundNames(dict(settings.data.classes), "the command line")
    return names_beside(data_dir, facts.objects)


def _given(settings: Settings, given: set[str], num_images: int) -> Given:
    """What the user has chosen and other choices follow."""
    from anomdet.config.translate_data import size_hw
    from anomdet.quality.propose.choices import Given

    data, training = settings.data, settings.training
    values = {
        "size_hw": ("data.image_size", size_hw(data.image_size)),
        "num_workers": ("data.num_workers", data.num_workers),
        "batch_size": ("training.batch_size", training.batch_size),
        "accumulation_steps": ("training.accumulation_steps", training.accumulation_steps),
        "epochs": ("training.epochs", training.epochs),
        "val_interval": ("training.val_interval", training.val_interval),
        "imbalance": ("training.class_imbalance_handling.method", training.class_imbalance_handling.method),
    }
    found: dict[str, Any] = {name: value for name, (key, value) in values.items() if is_given(key, given)}
    return Given(**found, num_train=_num_train(settings, given, num_images))


def _num_train(settings: Settings, given: set[str], num_images: int) -> int | None:
    """Images to learn from, where the user has said which or how many."""
    data = settings.data
    if data.split_files is not None:
        with suppress(OSError):  # the training says what is wrong with it
            lines = read_regular(data.split_files.train, MAX_LIST_BYTES).splitlines()
            return max(sum(bool(line.strip()) for line in lines), 1)
    split = any(is_given(key, given) for key in SHARES)
    return max(int(num_images * data.train_split), 1) if split else None


def _chosen(
    settings: Settings, data_dir: Path, names: FoundNames, choices: dict[str, Choice], lists: dict[str, str]
) -> Settings:
    from anomdet.quality.propose.rules import nested

    values = settings.model_dump()
    _merge(values, nested(choices))
    values["data"].update(data_dir=str(data_dir), classes=names.names or None)
    if lists:
        values["data"].update(split_files=lists)
    return type(settings).model_validate(values)


def _merge(base: dict[str, Any], changes: dict[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = value


def _summary(facts: DataFacts, names: FoundNames, choices: dict[str, Choice]) -> list[str]:
    """A line of facts, then a line for each choice that matters most or needs a look."""
    named = [
        f"{num}: {facts.objects[num]:,}" if name == str(num) else f"{num} ({name}): {facts.objects[num]:,}"
        for num, name in names.names.items()
    ]
    images = counted(facts.num_images, "image")
    objects = f"objects by class: {', '.join(named)}" if named else "no object in any label file"
    first = f"{images}, {facts.num_normal:,} of them normal; {objects}"
    lines = [first]
    for key, choice in choices.items():
        if key not in _SHOWN and not choice.warning:
            continue
        value = "" if choice.value is None else f"{_flow(choice.value)}: "
        lines.append(f"{'!' if choice.warning else ' '} {_SHOWN.get(key, key):13} {value}{choice.reason}")
    return lines


def _flow(value: Any) -> str:
    """As one may write it in YAML, on one line."""
    import yaml

    if not isinstance(value, (dict, list)):
        return str(value)
    return str(yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)).strip()
