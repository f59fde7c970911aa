"""Imports that are put off."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from anomdet.workflows.runs.lazy_imports import put_off

MODULE = "wsgiref"  # of the standard library, used by nobody here


@pytest.fixture(autouse=True)
def forget() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == MODULE]:
        del sys.modules[name]


def test_a_put_off_module_is_imported_when_it_is_used() -> None:
    with put_off([MODULE]):
        import wsgiref.headers as later
        from wsgiref.headers import Headers
    assert not any(name.split(".")[0] == MODULE for name in sys.modules)
    assert Headers([("a", "b")])["a"] == "b"
    assert later.Headers([("a", "b")])["a"] == "b"
    assert "wsgiref.headers" in sys.modules


def test_a_module_that_is_there_stays() -> None:
    import wsgiref

    with put_off([MODULE]):
        import wsgiref as again
    assert again is wsgiref
    assert sys.modules[MODULE] is wsgiref


def test_a_module_whose_class_is_derived_from_is_imported_at_once() -> None:
    with put_off([MODULE, "no_such_module_here"]):
        from wsgiref.headers import Headers

        class Own(Headers):
            """As scipy.integrate derives from a class of scipy.optimize."""

        import wsgiref.util as later

        assert importlib.util.find_spec("no_such_module_here") is None
    assert Own([("a", "b")])["a"] == "b"
    assert later.FileWrapper is sys.modules["wsgiref.util"].FileWrapper


@pytest.mark.slow
def test_load_libraries_leaves_out_what_no_box_detector_uses() -> None:
    code = (
        "import sys\nfrom anomdet.workflows.runs.libraries import load_libraries\nload_libraries()\n"
        "print([name for name in ('imgaug', 'numba', 'matplotlib', 'scipy.stats') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "[]\n"
