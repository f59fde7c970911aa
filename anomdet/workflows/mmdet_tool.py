"""``anomdet mmdet``: the tools that MMDetection installs, with mmcv's operators supplied."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.pool
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from anomdet.config.problems import did_you_mean, nearest
from anomdet.errors import Problem, UserError


@contextlib.contextmanager
def mmdet_tool(name: str) -> Iterator[Path]:
    """Within, a tool of MMDetection's can run: operators are there, and weights are loaded without running code.

    A tool's pool is of threads: it would fork up to 48 copies of a process whose libraries have threads by now, and
    such a copy may wait for ever on a lock that one of them held.

    Its Python configs may name anything, and results may be pickles, as for MMDetection.

    Args:
        name: ``test.py``, ``tools/test.py``, ``analysis_tools/analyze_logs.py`` or ``analyze_logs``.

    Yields:
        The file.

    Raises:
        UserError: there is no such tool, or several.
    """
    path = find_tool(name)
    from anomdet.workflows.runs.libraries import load_libraries

    load_libraries()
    from anomdet.engine.registered_names import as_python
    from anomdet.engine.weights import use_safe_loading

    use_safe_loading()
    with as_python(), _pools_of_threads():
        yield path


@contextlib.contextmanager
def _pools_of_threads() -> Iterator[None]:
    forking = multiprocessing.Pool
    multiprocessing.Pool = multiprocessing.pool.ThreadPool  # type: ignore[assignment]
    try:
        yield
    finally:
        multiprocessing.Pool = forking


def find_tool(name: str) -> Path:
    """The installed file of a tool.

    Raises:
        UserError: there is none, or several; names the nearest.
    """
    folder = tools_folder()
    wanted = Path(name).with_suffix(".py").parts
    wanted = wanted[1:] if wanted[:1] == ("tools",) else wanted
    found = [path for path in folder.rglob("*.py") if path.relative_to(folder).parts[-len(wanted) :] == wanted]
    depth = min((len(path.parts) for path in found), default=0)
    shortest = [path for path in found if len(path.parts) == depth]  # not browse_dataset.py of mot/
    if len(shortest) == 1:
        return shortest[0]
    known = sorted(path.relative_to(folder).as_posix() for path in found or folder.rglob("*.py"))
    if found:
        raise UserError(Problem("TOOL", f"one of {', '.join(known)}", name))
    near = nearest(Path(*wanted).name, [Path(path).name for path in known])
    hint = did_you_mean(near) if near else f"they are in {folder}"
    raise UserError(Problem("TOOL", "a tool that MMDetection installed", name, hint))


def tools_folder() -> Path:
    """Where MMDetection's package installs its tools.

    Raises:
        UserError: it has installed none.
    """
    spec = find_spec("mmdet")
    folder = Path(spec.origin or "").parent / ".mim" / "tools" if spec is not None else Path()
    if spec is None or not folder.is_dir():
        raise UserError(Problem("anomdet mmdet", "MMDetection with its tools", "none", "pip install onedl-mmdetection"))
    return folder
