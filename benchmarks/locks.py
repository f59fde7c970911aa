"""Two runs that start at one moment in one folder, many times: one works, one is refused; and what the lock costs.

    OMP_NUM_THREADS=1 python benchmarks/locks.py --rounds 50 --trainings 3

A round starts two processes that take the locks of a training (log_dir and checkpoint_dir) as soon as both are ready,
and hold them for a moment. In every second round the winner is killed (SIGKILL), and a third one must get the locks.
``--trainings`` does the same with whole trainings of a small network: exit codes 0 and 2, and the sentence. The costs
are processor time: of the locks, and of the checks on the outputs, against a start (all until a training's first step).
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from anomdet.data.synth.generate import generate
from anomdet.errors import UserError
from anomdet.layout import CHECKPOINTS, RUN_FILES
from anomdet.output_rule import check_apart, check_names, claim, data_folders
from anomdet.run_lock import one_run_in

BUSY = re.compile(r"expected a folder that no other run writes into, got .*(process \d+ on|another process)")
RUNS = 200
SETTINGS = """
model: {name: rtmdet_tiny, pretrained: false}
training: {epochs: 1, batch_size: 4, use_amp: false}
data: {data_dir: data, image_size: 96, num_workers: 0}
"""


def hold(base: Path, name: str) -> int:
    """A process of a round: ready, wait for the start, take the locks, say so, hold them."""
    folders = {f"logging.{key}": base / key for key in ("log_dir", "checkpoint_dir")}
    (base / f"{name}.ready").touch()
    while not (base / "start").exists():
        pass
    try:
        with one_run_in(folders):
            (base / f"{name}.has").touch()
            while not (base / "end").exists():
                time.sleep(0.001)
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _start(base: Path, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--hold", str(base), name]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def one_round(base: Path, *, is_crash: bool) -> str:
    """What went wrong; empty: nothing."""
    for key in ("log_dir", "checkpoint_dir"):
        (base / key).mkdir(parents=True)
    processes = {name: _start(base, name) for name in ("a", "b")}
    while not all((base / f"{name}.ready").exists() for name in processes):
        time.sleep(0.001)
    (base / "start").touch()
    while all(process.poll() is None for process in processes.values()):
        time.sleep(0.001)
    (loser,) = [name for name, process in processes.items() if process.poll() is not None]
    winner = processes["b" if loser == "a" else "a"]
    said = processes[loser].communicate()[1]
    if processes[loser].returncode != 2 or not BUSY.search(said):
        return f"the second ended with {processes[loser].returncode}: {said}"
    if is_crash:
        winner.send_signal(signal.SIGKILL)
        winner.wait()
        third = _start(base, "c")
        while not (base / "c.has").exists() and third.poll() is None:
            time.sleep(0.001)
        winner = third
    (base / "end").touch()
    said = winner.communicate()[1]
    left = sorted(path.name for key in ("log_dir", "checkpoint_dir") for path in (base / key).iterdir())
    return f"ended with {winner.returncode}, left {left}: {said}" if winner.returncode or left else ""


def two_trainings(base: Path) -> str:
    """What went wrong; empty: nothing."""
    (base / "run.yaml").write_text(SETTINGS, encoding="utf-8")
    command = [sys.executable, "-m", "anomdet", "train", "-c", "run.yaml"]
    both = [
        subprocess.Popen(command, cwd=base, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in "ab"
    ]
    said = [process.communicate()[1] for process in both]
    codes = sorted(process.returncode for process in both)
    refused = "".join(said)
    return "" if codes == [0, 2] and BUSY.search(refused) else f"exit codes {codes}: {refused}"


def costs(base: Path) -> tuple[float, float]:
    """Milliseconds of processor time: taking and giving back both locks, and the checks on the outputs."""
    folders = {"logging.log_dir": base / "log_dir", "logging.checkpoint_dir": base / "checkpoint_dir"}
    for folder in folders.values():
        folder.mkdir(exist_ok=True)
    begin = time.process_time()
    for _ in range(RUNS):
        with one_run_in(folders):
            pass
    locks = time.process_time() - begin
    begin = time.process_time()
    for _ in range(RUNS):
        for (option, folder), names in zip(folders.items(), (RUN_FILES, CHECKPOINTS), strict=True):
            check_apart(folder, data_folders(base / "data"), option)
            check_names(folder, names, option)
            claim(folder, names, option)
    return locks / RUNS * 1000, (time.process_time() - begin) / RUNS * 1000


def start_ms(base: Path) -> float:
    """Processor time of a training until its first step, in milliseconds."""
    (base / "run.yaml").write_text(SETTINGS, encoding="utf-8")
    (base / "stop.py").write_text(
        "import os\nfrom mmengine.hooks import Hook\nfrom mmengine.registry import HOOKS\n\n"
        "@HOOKS.register_module()\nclass Stop(Hook):\n"
        "    def before_train_iter(self, runner, batch_idx, data_batch=None):\n        os._exit(0)\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "anomdet", "train", "-c", "run.yaml", "plugins=[stop]"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*command, "training.hooks=[{type: Stop}]"], cwd=base, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1000


def main() -> int:
    """Print the counts and the costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--trainings", type=int, default=0)
    parser.add_argument("--hold", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.hold:
        return hold(Path(given.hold[0]), given.hold[1])
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    bad = 0
    with tempfile.TemporaryDirectory() as parent:
        base = Path(parent)
        for what, count in (("rounds", given.rounds), ("pairs of trainings", given.trainings)):
            good = 0
            for number in range(count):
                folder = base / f"{what} {number}"
                folder.mkdir()
                if what == "rounds":
                    wrong = one_round(folder, is_crash=number % 2 == 1)
                else:
                    generate(folder / "data", num_images=12, size_hw=(96, 96))
                    wrong = two_trainings(folder)
                good += not wrong
                sys.stdout.write(f"{what} {number + 1}: {wrong}\n" if wrong else "")
            if count:
                print(f"{good} of {count} {what}: one works, the other is refused", flush=True)
            bad += count - good
        generate(base / "data", num_images=12, size_hw=(96, 96))
        locks_ms, checks_ms = costs(base)
        start = start_ms(base)
        share = 100 * (locks_ms + checks_ms) / start
        print(f"locks {locks_ms:.2f} ms, checks {checks_ms:.2f} ms, start {start:.0f} ms: {share:.3f} %")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
