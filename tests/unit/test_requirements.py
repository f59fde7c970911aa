"""requirements/gate.txt: every package with its hash, in the versions of constraints.txt."""

from __future__ import annotations

import re
from pathlib import Path

from requirements.hashes import lines

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"([\w.-]+)==([^\s;]+)")


def key(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return {key(found[1]): found[2] for line in text.splitlines() if (found := PIN.match(line))}


def test_every_line_has_a_hash() -> None:
    rows = (ROOT / "requirements" / "gate.txt").read_text(encoding="utf-8").splitlines()[1:]
    assert len(rows) > 100
    assert [row for row in rows if not re.fullmatch(r"[\w.-]+==\S+ --hash=sha256:[0-9a-f]{64}", row)] == []


def test_versions_are_those_of_the_constraints() -> None:
    gate, tested = pins("requirements/gate.txt"), pins("constraints.txt")
    assert {
        name: (gate[name], tested[name]) for name in gate.keys() & tested.keys() if gate[name] != tested[name]
    } == {}
    only_linux = [name for name in gate.keys() - tested.keys() if not name.startswith(("nvidia-", "cuda-", "triton"))]
    assert only_linux == []


def test_every_requirement_is_there() -> None:
    gate = pins("requirements/gate.txt")
    for file in ("core", "train", "optional", "export", "tests", "docs"):
        rows = (ROOT / "requirements" / f"{file}.txt").read_text(encoding="utf-8").splitlines()
        wanted = {key(found[0]) for row in rows if (found := re.match(r"[\w.-]+", row))}
        assert wanted - gate.keys() == set(), file


def test_the_package_itself_can_be_built_without_other_files() -> None:
    """``make hashed`` installs it with --no-build-isolation: what builds it is among the hashed files."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    least = re.search(r'requires = \["setuptools>=(\d+)"', text)
    assert least is not None
    assert int(pins("requirements/gate.txt")["setuptools"].split(".")[0]) >= int(least[1])


def test_lines_of_a_report() -> None:
    info = {"archive_info": {"hashes": {"sha256": "ab" * 32}}}
    report = {"install": [{"metadata": {"name": "B", "version": "1"}, "download_info": info}]}
    assert lines(report) == [f"B==1 --hash=sha256:{'ab' * 32}"]
