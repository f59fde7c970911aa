"""What each kind of exception becomes."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest

from anomdet import ranks
from anomdet.cli.failures import explain, run_command
from anomdet.errors import Terminated, UserError, interruption
from anomdet.workflows.runs.config_errors import user_built

pytestmark = pytest.mark.slow  # seconds: not a part of `make test-fast`


class OutOfMemoryError(RuntimeError):
    """torch's, which is raised on a GPU only."""


CV2 = ImportError("libGL.so.1: cannot open shared object file: No such file or directory", name="cv2")


@pytest.mark.parametrize(
    ("error", "message", "code"),
    [
        (UserError("a.yaml: wrong"), "error: a.yaml: wrong", 2),
        (
            UserError("Caught UserError in DataLoader worker process 0.\nOriginal Traceback (most recent ...):\n  x\n"
                      "anomdet.errors.UserError: a.png: expected a readable image, got nothing\n"),
            "error: a.png: expected a readable image, got nothing",
            2,
        ),
        (KeyboardInterrupt(), "interrupted", 130),
        (Terminated("interrupted; go on"), "interrupted; go on", 143),
        (
            OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
            "error: the GPU's memory is full; lower training.batch_size or data.image_size, or choose a smaller model",
            1,
        ),
        (
            MemoryError(),
            "error: the memory is full; lower training.batch_size or data.image_size, or choose a smaller model",
            1,
        ),
        (
            RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."),
            "error: a process that loads images was ended by a signal (Killed, as the system does where the memory is "
            "full: dmesg names the process); lower data.num_workers, lower training.batch_size or data.image_size, or "
            "choose a smaller model",
            1,
        ),
        (
            RuntimeError("DataLoader worker (pid 7) is killed by signal: Segmentation fault. "),
            "error: a process that loads images was ended by a signal (Segmentation fault); run the command again",
            1,
        ),
        (
            RuntimeError("DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that dataloader's "
                         "workers are out of shared memory."),
            "error: shared memory (/dev/shm) is full; set data.num_workers=0, or start the container with "
            "--shm-size=1g",
            1,
        ),
        (
            CV2,
            "error: OpenCV finds no screen library (libGL.so.1: cannot open shared object file: No such file or "
            "directory); run: pip install --force-reinstall --no-deps opencv-python-headless",
            2,
        ),
        (
            ModuleNotFoundError("No module named 'mmcv'", name="mmcv"),
            "error: a library cannot be imported (No module named 'mmcv'); run: pip install -r requirements.txt",
            2,
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "logs/config.py"),
            "error: logs/config.py: expected room to write, got a full disk; free some space and run the command again",
            2,
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "logs"),
            "error: logs: expected a file that can be read or written, got Permission denied",
            2,
        ),
        (
            ZeroDivisionError("division by zero"),
            "unforeseen error: ZeroDivisionError: division by zero\nrun again with --debug for the traceback",
            1,
        ),
    ],
)  # fmt: skip
def test_explain(error: BaseException, message: str, code: int) -> None:
    assert explain(error) == (message, code)


def test_an_interruption_that_a_library_turned_into_its_own_error() -> None:
    try:
        try:
            raise Terminated("go on with --resume")
        except BaseException as caught:
            raise SyntaxError("cannot format") from caught
    except SyntaxError as error:
        assert explain(error) == ("go on with --resume", 143)


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise UserError("wrong")

    assert run_command(fail, [], debug=False) == 2
    assert capsys.readouterr().err == "error: wrong\n"
    assert run_command(fail, [], debug=True) == 2
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert shown.endswith("error: wrong\n")


def test_a_thread_of_a_library_that_fails_shows_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def work() -> None:
        thread = threading.Thread(target=fail, name="writer")
        thread.start()
        thread.join()

    before = threading.excepthook
    assert run_command(work, [], debug=False) == 0
    assert capsys.readouterr().err == "warning: writer ended: OSError: [Errno 28] No space left on device\n"
    assert threading.excepthook is before


def test_sigterm_interrupts_and_the_old_handler_comes_back(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert run_command(lambda: os.kill(os.getpid(), signal.SIGTERM), [], debug=False) == 143
    assert signal.getsignal(signal.SIGTERM) is before
    assert capsys.readouterr().err == "interrupted\n"


def test_only_the_first_of_many_processes_tells_of_an_interruption(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise KeyboardInterrupt

    monkeypatch.setenv("RANK", "1")
    assert run_command(fail, [], debug=False) == 130
    assert capsys.readouterr().err == ""


def test_a_broken_pipe_is_quiet() -> None:
    command = f"{sys.executable} -m anomdet.cli.main config --to schema | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("{", "")


def test_what_mmdetection_says_is_cut_to_its_point() -> None:
    error = KeyError("'Foo is not in the model registry. Please check whether the value is correct. More details ...")
    assert str(user_built("run.py", error)) == (
        "run.py: expected what MMDetection can build and run, got KeyError: 'Foo is not in the model registry; "
        "--debug shows where it failed"
    )


def test_what_all_processes_find_is_told_once_and_what_one_finds_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from torch.distributed import TCPStore

    store = TCPStore("127.0.0.1", 0, is_master=True)
    settings = {"WORLD_SIZE": "2", "TORCHELASTIC_USE_AGENT_STORE": "True", "MASTER_ADDR": "127.0.0.1"}
    for name, value in {**settings, "MASTER_PORT": str(store.port)}.items():
        monkeypatch.setenv(name, value)

    def fail(message: str) -> None:
        raise UserError(message)

    for rank, message in (("1", "the same"), ("0", "the same"), ("1", "its own")):
        monkeypatch.setenv("RANK", rank)
        assert run_command(lambda message=message: fail(message), [], debug=False) == 2
    assert capsys.readouterr().err == "error: the same\nerror: its own\n"


def test_a_process_that_finds_no_store_speaks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"WORLD_SIZE": "2", "TORCHELASTIC_USE_AGENT_STORE": "True", "MASTER_ADDR": "127.0.0.1"}
    for name, value in {**settings, "MASTER_PORT": "1", "RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(ranks, "_STORE_TIMEOUT", timedelta(seconds=1))

    def fail() -> None:
        raise UserError("wrong")

    assert run_command(fail, [], debug=False) == 2
    assert "error: wrong\n" in capsys.readouterr().err


def test_a_circle_of_causes_ends() -> None:
    """As torch's loader makes one, when it raises an error again that it had caught."""
    first, second = ValueError("a"), RuntimeError("b")
    first.__context__, second.__context__ = second, first
    assert interruption(first) is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_fork_of_a_library_ends_by_sigterm_as_without_us(capfd: pytest.CaptureFixture[str]) -> None:
    """A pool of processes ends them so; one that raised would print a traceback, or keep a lock, and the pool waits."""

    def work() -> None:
        read_end, write_end = os.pipe()
        child = os.fork()
        if not child:
            os.write(write_end, b"ready")  # Python forgets what arrives while it forks
            time.sleep(60)
            os._exit(0)
        os.read(read_end, 5)
        os.kill(child, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM

    assert run_command(work, [], debug=True) == 0
    assert "Terminated" not in capfd.readouterr().err


@pytest.mark.parametrize("command", ["predict", "check"])
def test_where_1_is_a_finding_what_could_not_be_done_is_2(command: str) -> None:
    """A line that sorts out rejected parts by the exit code must not take a full memory for a reject."""
    for error in (MemoryError(), ZeroDivisionError("division by zero")):
        assert explain(error, [command, "x"])[1] == 2
        assert explain(error, ["train", "x"])[1] == 1


def test_no_message_shows_the_secret_of_an_address(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        raise UserError("expected null, got 'https://me:SECRET1@host/x.pth?token=SECRET2'; see https://a/b")

    with contextlib.suppress(SystemExit):
        run_command(work, [], debug=False)
    assert capsys.readouterr().err == "error: expected null, got 'https://host/x.pth?hidden'; see https://a/b\n"
