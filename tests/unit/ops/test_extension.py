import ast
from pathlib import Path

import mmcv._ext
import mmcv.ops
import pytest
from mmcv.utils import ext_loader
from mmdet.utils import collect_env as collect_mmdet_env
from mmengine.utils.dl_utils import collect_env

from anomdet.ops.extension import OPERATORS
from anomdet.ops.nms import nms


def asserted_names() -> dict[str, list[str]]:
    """The names that each file of the installed mmcv asks of its extension."""
    names = {}
    for path in sorted(Path(mmcv.ops.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "ext_loader.load_ext":
                names[path.name] = ast.literal_eval(node.args[1])
    return names


def test_every_name_that_mmcv_asserts_is_answered():
    names = asserted_names()
    assert len(names) > 40
    for wanted in names.values():
        ext_loader.load_ext("_ext", wanted)


def test_every_operator_is_one_that_mmcv_asks_for():
    assert set(OPERATORS) <= {name for wanted in asserted_names().values() for name in wanted}


def test_a_missing_operator_names_itself_when_called():
    with pytest.raises(NotImplementedError, match=r"'carafe_forward'.*compiled"):
        mmcv._ext.carafe_forward(1, two=2)


def test_the_stand_in_is_a_proper_module():
    assert mmcv._ext.__spec__.origin == "anomdet.ops"
    assert mmcv._ext.nms is nms


def test_private_names_are_not_invented():
    assert not hasattr(mmcv._ext, "__path__")
    assert not hasattr(mmcv._ext, "_private")


def test_environment_reports_work():
    assert "PyTorch" in collect_env()
    assert "MMDetection" in collect_mmdet_env()
    assert "torchvision" in mmcv.ops.get_compiler_version()
    assert isinstance(mmcv.ops.get_compiling_cuda_version(), str)
    assert ext_loader.check_ops_exist()
