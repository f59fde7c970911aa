"""Wrong arguments of the command line, in our words: what was expected, what was got, what is nearest."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any

from anomdet.errors import Problem

_VALUES = {"--limit": "an integer >= 1", "--config": "a YAML or Python file", "src": "a file or folder of labels"}
_VALUES |= {"source": "an image, folder, list, video or camera", "--every": "an integer >= 1", "--idle": "seconds"}
_VALUES |= dict.fromkeys(("--threshold", "--min-score"), "a score from 0 to 1")
_LONG = {"-c": "--config"}
_KINDS = {"integer": "an integer", "number": "a number", "float": "a number"}  # in the words of typer
_SAME = {"weights": "model", "checkpoint": "model", "input": "source"}  # options of other tools, arguments of ours
_OTHER_WORDS = {"infer": "predict", "detect": "predict", "eval": "evaluate", "fit": "train", "annotate": "review"}


def usage_problem(error: Any, arguments: Sequence[str]) -> Problem:
    """The problem behind one of typer's usage errors.

    Args:
        error: it carries the context (``ctx``) and for some kinds ``option_name`` or ``param``.
        arguments: the command line, without the program's name.
    """
    known = error.ctx is not None
    command = error.ctx.command_path if known else f"anomdet {next(iter(arguments), '')}".strip()
    if getattr(error, "option_name", None):
        return _option_problem(error, command, arguments)
    param = getattr(error, "param", None)
    if param is not None:
        return _value_problem(error, param, command, arguments)
    if known and hasattr(error.ctx.command, "commands"):
        return _unknown_command(list(error.ctx.command.commands), arguments)
    text = error.format_message()
    if extra := re.search(r"extra arguments?(?:\(s\))? \((.+)\)", text):
        return Problem("command line", f"the arguments of {command}", f"more: {extra[1]}", f"see: {command} --help")
    return Problem("command line", f"the arguments of {command}", text, f"see: {command} --help")


def _option_problem(error: Any, command: str, arguments: Sequence[str]) -> Problem:
    from anomdet.config.guess import settings_like
    from anomdet.config.problems import did_you_mean, nearest

    name = error.option_name
    text = error.format_message()
    if "requires an argument" in text:
        name = _LONG.get(name, name)
        return Problem(name, _VALUES.get(name, "a value"), "nothing", f"see: {command} --help")
    if "does not take a value" in text:
        return Problem(name, "no value", repr(_value_of(name, arguments)), f"see: {command} --help")
    params = error.ctx.command.params if error.ctx else []
    known = sorted(option for param in params for option in param.opts if option.startswith("--"))
    key, _, value = name.lstrip("-").partition("=")
    near = nearest(f"--{key}", known)
    hint = did_you_mean(repr(near)) if near else ""
    takes_settings = any(param.name == "overrides" for param in params)
    meant = [key] if "." in key else settings_like(key) if takes_settings else []
    given = value or _value_of(name, arguments) or "..."
    if argument := _argument_like(key, params):
        hint = f"{argument} has no dashes: {command} {shlex.quote(given)}"
    elif meant:
        hint = f"settings have no dashes: {' or '.join(f'{setting}={given}' for setting in meant)}"
    return Problem("command line", f"an option of {command} ({', '.join([*known, '--help'])})", repr(name), hint)


def _argument_like(key: str, params: Sequence[Any]) -> str:
    """What the help calls the argument that an option of this name may mean, as ``--data`` DATA_DIR; empty: none."""
    arguments = [param for param in params if param.param_type_name == "argument" and param.name != "overrides"]
    start = _SAME.get(key, key).replace("-", "_").lower()
    found = (str(one.metavar or one.name.upper()) for one in arguments if start and one.name.startswith(start))
    return next(found, "").rstrip(".")


def _value_problem(error: Any, param: Any, command: str, arguments: Sequence[str]) -> Problem:
    name = next((option for option in param.opts if option.startswith("--")), param.opts[0])
    if type(error).__name__ == "MissingParameter":
        given = next((text for text in arguments if text.endswith((".yaml", ".yml", ".py")) and "=" not in text), None)
        hint = f"write {name} {given}" if given and name == "--config" else f"see: {command} --help"
        return Problem(name, _VALUES.get(name, "a value"), "nothing", hint)
    value = next((found for option in param.opts if (found := _value_of(option, arguments)) is not None), None)
    kind = re.search(r"valid (integer|number|float)", error.message)
    expected = _VALUES.get(name) or (_KINDS[kind[1]] if kind else "another value")
    return Problem(name, expected, repr(value) if value is not None else error.message)


def _unknown_command(commands: list[str], arguments: Sequence[str]) -> Problem:
    from anomdet.config.problems import did_you_mean, nearest

    word = next((text for text in arguments if not text.startswith("-")), " ".join(arguments))
    near = _OTHER_WORDS.get(word) or nearest(word, commands, cutoff=0.5)
    return Problem(
        "command line", f"one of {', '.join(commands)}", repr(word), did_you_mean(repr(near)) if near else ""
    )


def _value_of(option: str, arguments: Sequence[str]) -> str | None:
    """What the command line gives for an option."""
    for position, text in enumerate(arguments):
        if text == option and position + 1 < len(arguments):
            return arguments[position + 1]
        if text.startswith(f"{option}="):
            return text.partition("=")[2]
    return None
