"""Each case runs in a Python of its own, with a make-believe mmcv where the real one would only cost time."""

import subprocess
import sys
from pathlib import Path

import pytest

import anomdet


def run_python(code: str, *paths: Path) -> str:
    paths = (Path(anomdet.__file__).parents[1], *paths)
    lines = ["import sys", *(f"sys.path.insert(0, {str(path)!r})" for path in paths), code]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def fake_mmcv(tmp_path: Path) -> Path:
    (tmp_path / "mmcv").mkdir()
    (tmp_path / "mmcv" / "__init__.py").touch()
    return tmp_path


def test_install_is_cheap_and_idempotent():
    code = (
        "import anomdet.ops\n"
        "before = len(sys.meta_path)\n"
        "anomdet.ops.install(); anomdet.ops.install()\n"
        "print(len(sys.meta_path) - before, 'torch' in sys.modules, 'mmcv' in sys.modules)"
    )
    assert run_python(code) == "1 False False"


def test_the_finder_is_last_and_its_spec_says_where_from(fake_mmcv):
    code = (
        "import importlib.util, anomdet.ops; anomdet.ops.install()\n"
        "spec = importlib.util.find_spec('mmcv._ext')\n"
        "print(type(sys.meta_path[-1]).__name__, spec.name, spec.origin)"
    )
    assert run_python(code, fake_mmcv) == "ExtensionFinder mmcv._ext anomdet.ops"


def test_a_compiled_extension_wins(fake_mmcv):
    (fake_mmcv / "mmcv" / "_ext.py").write_text("nms = 'compiled'\n")
    code = "import anomdet.ops; anomdet.ops.install()\nimport mmcv._ext as ext\nprint(ext.nms, 'torch' in sys.modules)"
    assert run_python(code, fake_mmcv) == "compiled False"


def test_no_other_missing_module_is_claimed(fake_mmcv):
    code = (
        "import importlib.util, anomdet.ops; anomdet.ops.install()\n"
        "print([importlib.util.find_spec(name) for name in ('mmcv._ext2', 'mmcv.ext', '_ext', 'mmdet_ext')])"
    )
    assert run_python(code, fake_mmcv) == "[None, None, None, None]"
