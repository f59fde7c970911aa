"""Addresses and files of weights inside a config, known by what they are and not by the key that they stand under."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

WEIGHT_SUFFIXES = (".pth", ".pt", ".pth.tar", ".ckpt", ".safetensors")
_ADDRESS = re.compile(r"(?:[\w-]+:)?[a-z][a-z0-9+.-]*://", re.IGNORECASE)
# The marks that a sentence has after an address are not of its query.
_QUERY = r"[?#][^\s'\"]*?(?=[,;:.]{0,3}(?:[\s'\"]|\Z))"
_WITH_SECRET = re.compile(rf"(\b[a-z][a-z0-9+.-]*://)(?:[^/\s'\"@]+@)?([^\s'\"?#]*)(?:{_QUERY})?", re.IGNORECASE)
HIDDEN = "?hidden"
_WEIGHT_KEYS = ("checkpoint", "teacher_ckpt")  # whatever a file is called


def is_address(value: Any) -> bool:
    """Whether a value is text that names a place in a network: ``https://...``, ``torchvision://resnet50``.

    >>> is_address("open-mmlab://resnet50"), is_address("weights/best.pth")
    (True, False)
    """
    return isinstance(value, str) and _ADDRESS.match(value) is not None


def without_secrets(text: str) -> str:
    """A text in which no address has a user, a password or a query: any of them may be a token.

    >>> without_secrets("load_from = 'https://me:pw@host/x.pth?token=abc'")
    "load_from = 'https://host/x.pth?hidden'"
    """

    def shorter(match: re.Match[str]) -> str:
        plain = f"{match[1]}{match[2]}"
        return plain + HIDDEN if len(match[0]) > len(plain) and ("?" in match[0] or "#" in match[0]) else plain

    return _WITH_SECRET.sub(shorter, text)


def hide_secrets(node: Any) -> Any:
    """A copy of nested dicts and lists with :func:`without_secrets` of every text."""
    if isinstance(node, dict):
        return {key: hide_secrets(value) for key, value in node.items()}
    if isinstance(node, list):
        return [hide_secrets(item) for item in node]
    return without_secrets(node) if isinstance(node, str) else node


def replace_addresses(node: Any, new: Callable[[str], str]) -> None:
    """Put something else in the place of every address inside a config, in place.

    Not in the settings that are handed to a user's file: what they say is the file's own business.
    """
    items = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
    for_a_file = isinstance(node, dict) and str(node.get("type", "")).startswith("anomdet.File")
    for key, value in items:
        if is_address(value):
            node[key] = new(value)
        elif isinstance(value, tuple):
            node[key] = list(value)
            replace_addresses(node[key], new)
            node[key] = tuple(node[key])
        elif not (for_a_file and key == "config"):
            replace_addresses(value, new)


def forget_weights(node: Any) -> None:
    """Take every address and file of pretrained weights out of a model's config, in place.

    Nothing is fetched or read then when the model is built.
    """
    if isinstance(node, (list, tuple)):
        for item in node:
            forget_weights(item)
    if not isinstance(node, dict):
        return
    for key, value in list(node.items()):
        if key == "init_cfg":
            node[key] = _without_pretrained(value)
        elif key == "pretrained" and value:
            node[key] = False if isinstance(value, bool) else None
        elif _holds_weights(key, value):
            node[key] = None
        else:
            forget_weights(value)


def _holds_weights(key: str, value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_is_weights(item) for item in value)
    return _is_weights(value) or (key in _WEIGHT_KEYS and isinstance(value, str))


def _is_weights(value: Any) -> bool:
    return isinstance(value, str) and (is_address(value) or value.endswith(WEIGHT_SUFFIXES))


def _without_pretrained(init_cfg: Any) -> Any:
    """The ways to draw weights at random stay."""
    if isinstance(init_cfg, (list, tuple)):
        kept = [entry for entry in init_cfg if _without_pretrained(entry) is not None]
        return init_cfg if len(kept) == len(init_cfg) else kept or None
    return None if isinstance(init_cfg, dict) and init_cfg.get("type") == "Pretrained" else init_cfg


def init_files(node: Any) -> list[str]:
    """The local checkpoints from which parts of a model start, ``init_cfg: {type: Pretrained, checkpoint: FILE}``.

    >>> init_files({"neck": {"init_cfg": [{"type": "Pretrained", "checkpoint": "neck.pth"}, {"type": "Normal"}]}})
    ['neck.pth']
    """
    if isinstance(node, (list, tuple)):
        return [file for item in node for file in init_files(item)]
    if not isinstance(node, dict):
        return []
    if node.get("type") == "Pretrained" and isinstance(node.get("checkpoint"), str):
        return [] if is_address(node["checkpoint"]) else [node["checkpoint"]]
    for_a_file = str(node.get("type", "")).startswith("anomdet.File")
    return [file for key, value in node.items() if not (for_a_file and key == "config") for file in init_files(value)]


def has_weights(backbone: dict[str, Any]) -> bool:
    """Whether a backbone starts from weights that somebody trained."""
    init_cfg = backbone.get("init_cfg")
    return bool(_without_pretrained(init_cfg) != init_cfg or backbone.get("pretrained") or backbone.get("checkpoint"))
