"""Files of a stranger neither hang, nor grow, nor mean two things."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

from anomdet.strict_files import DuplicateKeyError, decode_text, parse_json, parse_yaml, read_regular


def test_a_pipe_a_device_and_a_folder_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    for name, told in (("pipe", "not a regular file"), ("link", "not a regular file"), (".", "Is a directory")):
        with pytest.raises(OSError, match=told):
            read_regular(tmp_path / name)


def test_a_limit_of_the_size(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 2**20)
    assert len(read_regular(tmp_path / "a", 2**20)) == 2**20
    with pytest.raises(OSError, match="more than 1 MB"):
        read_regular(tmp_path / "a", 2**20 - 1)


def test_a_pointer_of_git_is_no_content(tmp_path: Path) -> None:
    """What is there of a large file where git lfs was not installed: labels and JSON were called damaged."""
    (tmp_path / "a.json").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    with pytest.raises(OSError, match="a pointer of Git LFS in its place; fetch it with git lfs pull"):
        read_regular(tmp_path / "a.json")


def test_json_with_a_key_twice() -> None:
    assert parse_json(b'\xef\xbb\xbf{"a": {"b": 1}, "b": 2}') == {"a": {"b": 1}, "b": 2}
    with pytest.raises(DuplicateKeyError, match="the key 'b' twice"):
        parse_json(b'[{"a": 1, "b": 1, "b": 2}]')


@pytest.mark.parametrize("text", ["9" * 5000, "[" * 200_000, "{", "nan"])
def test_json_that_is_none_or_too_much(text: str) -> None:
    with pytest.raises((ValueError, RecursionError)):
        parse_json(text.encode())


def test_plain_yaml() -> None:
    text = "path: ../data\nnames: [dent, no]\nday: 2024-01-01\ntime: 2024-01-01 10:00:00\nnc: 2"
    assert parse_yaml(text) == {
        "path": "../data",
        "names": ["dent", False],
        "day": "2024-01-01",
        "time": "2024-01-01 10:00:00",
        "nc": 2,
    }


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [1]\nb: [*a, *a]",
        "a: &a [*a]",
        "names: {0: dent, 0: scratch}",
        "!!python/object/apply:os.system [ls]",
        "!!timestamp 2024-99-99",
        "a: [" * 20_000,
        "nc: " + "9" * 5000,
    ],
)
def test_yaml_that_grows_runs_or_is_too_much(text: str) -> None:
    with pytest.raises((yaml.YAMLError, ValueError, RecursionError)):
        parse_yaml(text)


def test_many_objects_of_the_same_keys() -> None:
    content = [{"id": at, "bbox": [1, 2, 3, 4]} for at in range(1000)]
    assert parse_json(json.dumps(content).encode()) == content


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
def test_text_with_a_byte_order_mark_or_in_utf_8(encoding: str) -> None:
    data = "\u00e4 1\r\n".encode(encoding)
    if encoding in ("utf-16-le", "latin-1"):  # without a mark nothing says what it is
        assert data.startswith(b"\xe4")
        with pytest.raises(UnicodeDecodeError):
            decode_text(b"\xff" + data)
    else:
        assert decode_text(data) == "\u00e4 1\r\n"
