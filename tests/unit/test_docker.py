"""The container files, as far as they can be checked without Docker: paths, users and command lines."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

import anomdet.cli.main  # noqa: F401 - the commands add themselves
from anomdet.cli.app import app

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docker"
DOCKERFILES = sorted(FOLDER.glob("*.Dockerfile"))
KNOWN = {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))


def instructions(path: Path) -> list[tuple[str, str]]:
    """(keyword, arguments) of a Dockerfile, its continued lines joined."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in joined.splitlines() if line.strip()]


def words(arguments: str) -> list[str]:
    """Of the JSON form, which starts no shell."""
    found = json.loads(arguments)
    assert isinstance(found, list) and all(isinstance(word, str) for word in found)
    return found


def parse(arguments: list[str]) -> None:
    """Fails where the command or one of its options is not AnomDet's."""
    group: Any = typer.main.get_command(app)
    group.commands[arguments[0]].make_context(arguments[0], arguments[1:])


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_a_dockerfile_holds_together(path: Path) -> None:
    found = instructions(path)
    assert found[0][0] == "FROM" and {keyword for keyword, _ in found} <= KNOWN
    assert all(re.fullmatch(r"[a-z]+:[\w.-]+(?: AS \w+)?", given) for keyword, given in found if keyword == "FROM")
    users = [given for keyword, given in found if keyword == "USER"]
    assert users and all(re.fullmatch(r"[1-9]\d*:[1-9]\d*", user) for user in users), (
        "the user must be a number, not root"
    )
    assert [word for keyword, given in found if keyword == "ENTRYPOINT" for word in words(given)] == ["anomdet"]
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").split() if line[0] == "!"]
    for keyword, given in found:
        if keyword == "COPY" and not given.startswith("--from"):
            for source in shlex.split(given)[:-1]:
                assert (ROOT / source).exists() and any(fnmatch.fnmatch(source, one) for one in allowed), source


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_its_default_command_is_ours(path: Path) -> None:
    (given,) = [words(given) for keyword, given in instructions(path) if keyword == "CMD"]
    if given != ["--help"]:
        parse(given)


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_a_service_of_the_compose_file(name: str) -> None:
    service = COMPOSE["services"][name]
    build = service["build"]
    assert (FOLDER / build["context"]).resolve() == ROOT and (ROOT / build["dockerfile"]).is_file()
    assert not service.get("privileged") and all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert {secret["source"] for secret in service.get("secrets", ())} <= COMPOSE["secrets"].keys()
    if service["command"] != ["--help"]:
        parse(service["command"])
        default = [words(given) for keyword, given in instructions(ROOT / build["dockerfile"]) if keyword == "CMD"]
        assert [service["command"]] == default


def test_a_wrong_option_would_be_noticed() -> None:
    with pytest.raises(Exception, match="No such option"):
        parse(["serve", "/model", "--hosts", "0.0.0.0"])
