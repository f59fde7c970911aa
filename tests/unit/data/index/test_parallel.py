from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
PROGRAM = """
import json, os, sys
sys.path.insert(0, {root!r})
from anomdet.data.index.parallel import in_parallel
ask = eval, ("[__import__('os').getpid(), __import__('sys').path, list(__import__('sys').flags)]",)
print(json.dumps(in_parallel([ask, ask])))
"""


@pytest.mark.parametrize("options", [(), ("-I",), ("-E", "-s")])
def test_nothing_is_imported_from_the_working_folder(tmp_path, options):
    for name in ("selectors", "random", "signal", "pickle", "anomdet"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(open('executed', 'w').close())")
    program = tmp_path / "elsewhere/program.py"
    program.parent.mkdir()
    program.write_text(PROGRAM.format(root=str(ROOT)))
    environment = {**os.environ, "PYTHONPATH": ""}
    command = [sys.executable, *options, str(program)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert not (tmp_path / "executed").exists()
    (parent, *here), (child, *there) = json.loads(done.stdout)
    assert parent != child and here == there
