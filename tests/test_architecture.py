"""The rules of the house, read from the source: who may import whom, how long things are, and what costs nothing."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

import anomdet.layout

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "anomdet"
FILES = sorted(PACKAGE.rglob("*.py"))
OUTSIDE = sorted([*ROOT.glob("*.py"), *(ROOT / "tools").rglob("*.py"), *(ROOT / "examples").rglob("*.py")])

# Each place imports only places of a lower level; leaves and rooms of one level meet in the Config, by registered name,
# and in files. A place that may import another of its own level stands in SAME_LEVEL, with the reason.
LEVELS = (
    # The catalogue of metrics, the defaults and the palette are shared by schema, engine, evaluation and report.
    {
        "",
        "addresses",
        "errors",
        "fields",
        "file_hash",
        "layout",
        "ranks",
        "boxes",
        "outputs",
        "output_rule",
        "run_lock",
        "strict_files",
        "terminal",
        "tiles",
        "views",
        "words",
        "anomalies",
    }
    | {"metric_catalogue", "defaults", "palette", "documents"},
    {"config", "ops", "images", "visualization"},
    {"registry"},
    {"data", "models", "engine", "evaluation", "inference", "anomaly", "report"},
    {"formats"},
    {"quality", "exporting", "serving"},
    {"workflows"},
    {"cli"},
)
LEVEL = {place: level for level, places in enumerate(LEVELS) for place in places}
SAME_LEVEL = {("output_rule", "outputs"), ("output_rule", "layout")}  # what may be written; how, and under which names
SAME_LEVEL |= {("documents", "layout"), ("documents", "metric_catalogue")}  # which file, and which numbers it may hold
SAME_LEVEL |= {("run_lock", "layout"), ("run_lock", "ranks")}  # the first of the ranks holds the lock for all
SAME_LEVEL |= {("anomalies", "fields")}  # what a checkpoint says of its normal-only score is checked
SAME_LEVEL |= {(name, "strict_files") for name in ("documents", "output_rule", "run_lock")}  # JSON that means one thing
SAME_LEVEL |= {("errors", "terminal"), ("fields", "terminal")}  # names are shown without what a terminal obeys
SAME_LEVEL |= {("tiles", "fields"), ("views", "fields")}  # what a checkpoint says of its tiles and views is checked
# Rooms of models and data know the settings by the Config alone, not by the schema.
NO_CONFIG = {"images", "data", "models", "engine", "evaluation", "visualization", "report", "formats"}
MAX_CLI_LINES = 900
MAX_ROOM_SHARE = 0.2

MAX_LINES = 300
MAX_FUNCTION_LINES = 40  # without the docstring
MAX_ARGUMENTS = 7
FORBIDDEN_NAMES = {"utils", "misc", "common", "helpers", "util", "helper"}


def place(path: Path) -> str:
    """The leaf, room or cli that a file of the package belongs to; the package's own ``__init__`` is ``""``."""
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return {"__init__": "", "__main__": "cli"}.get(first, first)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All of a file, walked once for all tests."""
    return tuple(ast.walk(tree(path)))


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """Every module of the house that a file imports, at the top or inside a function, with its line."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import; write it out"
            module = node.module or ""
            if module == "anomdet":
                yield from ((f"anomdet.{name.name}", node.lineno) for name in node.names)
            else:
                yield module, node.lineno


def test_every_module_of_ours_that_is_imported_exists() -> None:
    """Also inside functions: a merge of a move and a new file is seen here, not by a user."""
    missing = []
    for path in FILES:
        for node in nodes(path):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "anomdet":
                file = ROOT.joinpath(*node.module.split("."))
                if not (file.with_suffix(".py").is_file() or (file / "__init__.py").is_file()):
                    missing.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.module}")
    assert not missing


def target(module: str) -> str | None:
    """The leaf, room or cli of a module name; None for one of another package."""
    parts = module.split(".")
    if parts[0] != "anomdet":
        return None
    return parts[1] if len(parts) > 1 and parts[1] != "__version__" else ""


def edges() -> dict[tuple[str, str], list[str]]:
    """Which place imports which other, and where."""
    found: dict[tuple[str, str], list[str]] = {}
    for path in FILES:
        if place(path) == "":
            continue  # the public names: they name every level, and import it at their first use
        for module, line in imported(path):
            other = target(module)
            if other is not None and other != place(path):
                found.setdefault((place(path), other), []).append(f"{path.relative_to(ROOT)}:{line}")
    return found


def test_there_is_something_to_check() -> None:
    assert len(FILES) > 50
    assert {place(path) for path in FILES} <= set(LEVEL), "a new place needs a level, here and in DESIGN"
    assert len(edges()) > 10


def test_a_place_imports_only_lower_levels() -> None:
    wrong = {
        edge: where
        for edge, where in edges().items()
        if LEVEL[edge[1]] >= LEVEL[edge[0]] and edge not in SAME_LEVEL and edge[1] not in ("", "errors")
    }
    assert not wrong, "rooms of one level meet in the Config by registered name, and in files"
    assert set(SAME_LEVEL) <= set(edges()), "an exception that nobody needs any more"


def test_a_room_says_what_others_use_of_it() -> None:
    """``__all__`` of a room names the modules, and names, that other rooms import from it; the rest is its own."""
    used: dict[str, set[str]] = {}
    for path in FILES:
        for node in nodes(path):
            if isinstance(node, ast.ImportFrom) and (parts := (node.module or "").split("."))[0] == "anomdet":
                names = [name.name for name in node.names] if len(parts) == 2 else parts[2:3]
                if len(parts) > 1 and parts[1] != place(path):
                    used.setdefault(parts[1], set()).update(names)
    for file in (path for path in PACKAGE.glob("*/__init__.py") if path.parent.name != "cli"):
        values = [node.value for node in tree(file).body if isinstance(node, ast.Assign)]
        face = set(ast.literal_eval(values[0])) if values else set()
        room = file.parent.name
        own = {name.name for node in tree(file).body for name in getattr(node, "names", [])}
        own |= {name.name for node in nodes(file) if isinstance(node, ast.ImportFrom) for name in node.names}
        assert used[room] <= face, f"{file}: others use {sorted(used[room] - face)} too"
        assert face <= used[room] | own, f"{file}: nobody uses {sorted(face - used[room] - own)}"


def test_rooms_do_not_read_the_schema() -> None:
    assert not {edge: where for edge, where in edges().items() if edge[0] in NO_CONFIG and edge[1] == "config"}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def needed(path: Path, modules: set[str]) -> Iterator[str]:
    """Which of the modules a file imports; of ``from package import module`` the module."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in modules)
        elif isinstance(node, ast.ImportFrom):
            names = (f"{node.module}.{name.name}" for name in node.names)
            yield from (name if name in modules else node.module or "" for name in names)


def inner_room(name: str) -> str:
    """The folder inside of a room that a module is in; else the module itself."""
    return ".".join(name.split(".")[:3])


@pytest.mark.parametrize("of", [str, inner_room], ids=["files", "folders inside of rooms"])
def test_no_circle(of: Callable[[str], str]) -> None:
    """Neither through imports for the types nor inside functions."""
    files = [path for path in FILES if place(path) != ""]  # the public names are for types only there
    modules = {module_name(path) for path in files}
    needs: dict[str, set[str]] = {of(name): set() for name in modules}
    for path in files:
        needs[of(module_name(path))] |= {of(name) for name in set(needed(path, modules)) & modules}
    done: set[str] = set()
    while ready := {name for name, wanted in needs.items() if name not in done and wanted - {name} <= done}:
        done |= ready
    assert set(needs) == done, f"these import each other: {sorted(set(needs) - done)}"


def test_the_largest_room() -> None:
    lines: dict[str, int] = {}
    for path in FILES:
        lines[place(path)] = lines.get(place(path), 0) + len(path.read_text(encoding="utf-8").splitlines())
    largest = max(lines, key=lambda name: lines[name])
    assert lines[largest] <= MAX_ROOM_SHARE * sum(lines.values()), largest
    assert lines["cli"] <= MAX_CLI_LINES


def test_only_cli_speaks_and_exits() -> None:
    """Workflows are a library: no typer, no print, no exit, no argv, no import path changed, no signal handled."""
    wrong = []
    for path in FILES:
        if place(path) == "cli":
            continue
        for module, line in imported(path):
            if module.split(".")[0] in ("typer", "click"):
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {module}")
        if place(path) != "workflows":
            continue
        wrong += [
            f"{path.relative_to(ROOT)}:{node.lineno} {ast.unparse(node)}"
            for node in nodes(path)
            if isinstance(node, ast.Attribute) and ast.unparse(node) in NOT_IN_WORKFLOWS
        ]
    assert not wrong


NOT_IN_WORKFLOWS = {
    "sys.argv",
    "sys.exit",
    "os.chdir",
    "warnings.filterwarnings",
    "signal.signal",
    "sys.stdout",
    "sys.stderr",
    "os._exit",
}


def test_nobody_imports_cli() -> None:
    assert not {edge: where for edge, where in edges().items() if edge[1] == "cli"}


def test_shims_import_only_cli() -> None:
    """The scripts of the root and of tools/ hold no code of their own; examples need nothing of ours."""
    shims = [path for path in OUTSIDE if path.name != "setup.py"]
    assert len(shims) >= 5
    for path in shims:
        for module, line in imported(path):
            assert target(module) in (None, "cli", "errors"), f"{path}:{line}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_is_one_page(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    yield from (node for node in nodes(path) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from ``def`` on, without decorators and the docstring."""
    first, end = function.body[0], function.end_lineno or 0
    docstring = 0
    if ast.get_docstring(function) is not None:
        docstring = (first.end_lineno or 0) - first.lineno + 1
    return end - function.lineno + 1 - docstring


def test_functions_are_short() -> None:
    checked, long = 0, []
    for path in FILES:
        for function in functions(path):
            checked += 1
            if length(function) > MAX_FUNCTION_LINES:
                long.append(f"{path.relative_to(ROOT)}:{function.lineno} {function.name}: {length(function)} lines")
    assert checked > 300
    assert not long


def arguments(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """As ruff's PLR0913 counts: all named ones; not self or cls, nor those that begin with an underscore."""
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]
    return sum(name not in ("self", "cls") and not name.startswith("_") for name in names)


def test_functions_take_few_arguments() -> None:
    """More only beside a ``noqa: PLR0913`` with its reason: another's interface, or the settings' keys one for one."""
    wrong, excused = [], 0
    for path in FILES:
        lines = path.read_text(encoding="utf-8").splitlines()
        for function in functions(path):
            if arguments(function) <= MAX_ARGUMENTS:
                continue
            excused += 1
            if "noqa: PLR0913" not in lines[function.lineno - 1] and "ruff: noqa: PLR0913" not in "\n".join(lines):
                wrong.append(
                    f"{path.relative_to(ROOT)}:{function.lineno} {function.name}: {arguments(function)} arguments"
                )
    assert not wrong
    assert excused < 23, "the exception has become the rule"


def test_no_module_for_anything() -> None:
    assert not [path for path in FILES if set(path.relative_to(PACKAGE).with_suffix("").parts) & FORBIDDEN_NAMES]


# Their folders have names of other tools, which happen to be ours too.
OTHER_TOOLS = {PACKAGE / "formats" / name for name in ("csv_table.py", "cvat.py", "labelstudio.py", "yolo.py")}


def test_no_path_is_made_of_a_name_that_layout_has() -> None:
    layout = {value for name, value in vars(anomdet.layout).items() if name.isupper() and isinstance(value, str)}
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno} {part.value}"
        for path in FILES
        if path not in OTHER_TOOLS
        for node in nodes(path)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
        for part in (node.left, node.right)
        if isinstance(part, ast.Constant) and part.value in layout
    ]
    assert len(layout) > 40
    assert not found, "take the constant of anomdet/layout.py"


def test_nothing_prints() -> None:
    """Text for users goes through the log, or is returned to the command line, which echoes it."""
    calls = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in FILES
        for node in nodes(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not calls


def test_no_bare_except() -> None:
    bare = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in FILES
        for node in nodes(path)
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert not bare


HEAVY = ("torch", "torchvision", "mmengine", "mmcv", "mmdet", "numpy", "cv2", "albumentations", "timm", "pydantic")
NETWORKS = ("torch", "torchvision", "mmengine", "mmcv", "mmdet", "albumentations", "timm")
# Modules, and what they must not import; of each chain one process imports one after the other, so that what a module
# may not import must not be imported by those before it either.
CHAINS = {
    "nothing": (
        ("anomdet", HEAVY),
        ("anomdet.errors", HEAVY),
        ("anomdet.output_rule", HEAVY),
        ("anomdet.inference.artifact", HEAVY),
        ("anomdet.cli.main", HEAVY),
        ("anomdet.config.preset_names", HEAVY),
        ("anomdet.workflows.check", HEAVY),
        ("anomdet.workflows.health_report", HEAVY),
        ("anomdet.workflows.init", HEAVY),
        ("anomdet.workflows.browse_page", HEAVY),
        ("anomdet.config.load", (*NETWORKS, "cv2")),
    ),
    "no network": (
        ("anomdet.boxes", tuple(name for name in HEAVY if name != "numpy")),
        ("anomdet.report.browse", (*NETWORKS, "cv2", "plotly", "pydantic")),
        ("anomdet.evaluation.summary", (*NETWORKS, "pydantic")),
        ("anomdet.visualization.draw", (*NETWORKS, "pydantic")),
        ("anomdet.quality.propose.facts", (*NETWORKS, "pydantic")),
        ("anomdet.quality.propose.rules", (*NETWORKS, "pydantic")),
        ("anomdet.report.write", (*NETWORKS, "pydantic")),
        ("anomdet.report.health_page", (*NETWORKS, "pydantic")),
        ("anomdet.formats.convert", (*NETWORKS, "pydantic")),
        ("anomdet.quality.browse.compact", NETWORKS),
        ("anomdet.quality.check.check", NETWORKS),
        ("anomdet.quality.health.report", NETWORKS),
        ("anomdet.quality.check.fix", NETWORKS),
    ),
}
IMPORT_ALL = """
import importlib, json, sys
found = {}
for module, heavy in json.loads(sys.argv[1]):
    importlib.import_module(module)
    found[module] = [name for name in heavy if name in sys.modules]
print(json.dumps(found))
"""


@pytest.mark.parametrize("chain", CHAINS)
def test_importing_is_cheap(chain: str) -> None:
    command = [sys.executable, "-c", IMPORT_ALL, json.dumps(CHAINS[chain])]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == {module: [] for module, _ in CHAINS[chain]}, "the first that is not empty imports these"
