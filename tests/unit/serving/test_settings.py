"""What a service may be started with."""

from __future__ import annotations

from pathlib import Path

import pytest

from anomdet.errors import UserError
from anomdet.serving.settings import ServeSettings, read_token


def test_everything_out_of_range_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        ServeSettings(port=70000, batch_size=0, queue_size=0, timeout_s=0, images=tmp_path / "none")
    said = str(caught.value)
    assert all(name in said for name in ("--port", "--batch", "--queue", "--timeout", "--images"))
    assert "--megapixels" not in said


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("pc", False)],
)
def test_which_addresses_only_this_machine_reaches(host: str, is_loopback: bool) -> None:
    assert ServeSettings(host=host).is_loopback == is_loopback


def test_it_listens_on_this_machine_alone_by_default() -> None:
    assert ServeSettings().is_loopback


def test_a_token_is_read_without_its_end_of_line(tmp_path: Path) -> None:
    path = tmp_path / "token.txt"
    path.write_text("0123456789abcdefghij\n", encoding="utf-8")
    assert read_token(path) == "0123456789abcdefghij"
    path.write_text("0123456789abcdefghij\r\n", encoding="utf-8-sig")  # as PowerShell writes it
    assert read_token(path) == "0123456789abcdefghij"


@pytest.mark.parametrize("content", [b"", b"short", b"0123456789 abcdefghij", b"\xff" * 20, "ü".encode() * 20])
def test_what_is_no_token_is_refused_and_not_shown(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "token.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match="--token-file") as caught:
        read_token(path)
    assert "short" not in str(caught.value)


def test_a_missing_file_of_the_token_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.txt.*No such file"):
        read_token(tmp_path / "none.txt")
