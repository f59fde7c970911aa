"""Trainings on two hosts that are network namespaces of this machine: as one host, and with one host lost for a while.

    python -m benchmarks.hosts [equal] [blink] [cut] [power] [store] [leave]

A small training of four processes on made-up parts, first on one host, then on two with two processes each:

equal: with a disk of their own each; weights, metrics and predictions against those of one host.
blink: the second host's cable is out for less than ``distributed.timeout_minutes``.
cut:   ... for longer. Each host's torchrun is started again when it ends, as Slurm or Kubernetes do.
power: the second host loses its power and comes back.
store: the first host does, at which the torchruns meet.
leave: ``--nnodes=1:2``: the second host loses its power, the first goes on alone, the second comes back.

Needs root and iproute2; says so and ends with 0 where they are missing. Ends with 1 if weights differ.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import yaml

from anomdet.data.synth.generate import generate
from benchmarks.elastic import ROOT, weights_hash
from benchmarks.namespaces import Network, unavailable

STORIES = ("equal", "blink", "cut", "power", "store", "leave")
PORT = 29500
TIMEOUT_SECONDS = 30
# Else torchrun (2.14) keeps the first meeting's address to itself, and a host that comes back waits for it in vain.
REJOIN = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}


def settings(folder: Path, data_dir: Path, epochs: int) -> None:
    """``run.yaml`` of a training of seconds, whose outputs go to ``<folder>/runs``."""
    values = {
        "model": {
            "name": "rtmdet_tiny",
            "backbone": "efficientnet_lite0",
            "pretrained": False,
            "overrides": {
                "neck": {"out_channels": 32},
                "bbox_head": {"in_channels": 32, "feat_channels": 32},
            },
        },
        "training": {"epochs": epochs, "batch_size": 2, "use_amp": False, "val_interval": epochs},
        "data": {"data_dir": str(data_dir), "image_size": 96, "num_workers": 0},
        "metrics": {"score_threshold": 0.01},
        "evaluation": {"resamples": 20, "report": False},
        "logging": {"log_dir": "runs/logs", "checkpoint_dir": "runs/checkpoints"},
        "distributed": {"timeout_minutes": TIMEOUT_SECONDS / 60},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")


def torchrun(network: Network, script: str, *arguments: str, nodes: str = "2", processes: int = 2) -> list[str]:
    """The command line that is the same on each host."""
    launcher = [sys.executable, "-m", "torch.distributed.run", f"--nnodes={nodes}", f"--nproc-per-node={processes}"]
    launcher += ["--rdzv-backend=c10d", f"--rdzv-endpoint={network.address(0)}:{PORT}", "--rdzv-id=hosts"]
    if arguments[:1] == ("--resume",):
        launcher.append("--max-restarts=3")
    return [*launcher, str(ROOT / script), "--config", "run.yaml", *arguments]


def run_all(network: Network, command: list[str], hosts: int) -> None:
    """The command on the first ``hosts`` hosts; waits for all of them."""
    outputs = [network.folder / f"output{host}.txt" for host in range(hosts)]
    jobs = [network.start(host, command, outputs[host]) for host in range(hosts)]
    codes = [job.wait(timeout=600) for job in jobs]
    assert not any(codes), "\n".join(output.read_text(encoding="utf-8")[-3000:] for output in outputs)


class Watch:
    """Starts a host's torchrun again when it ends with an error, and tells what happens when.

    Args:
        network: the hosts, which share their files.
        command: of each host.
    """

    def __init__(self, network: Network, command: list[str]) -> None:
        self.network, self.command = network, command
        self.began = time.monotonic()
        self.jobs: dict[int, subprocess.Popen[str]] = {}
        self.away: set[int] = set()
        self._told: set[str] = set()
        for host in range(network.count):
            self.start(host)

    def tell(self, text: str) -> None:
        """With the seconds since the last ``mark``."""
        print(f"    {time.monotonic() - self.began:5.1f} s  {text}", flush=True)

    def mark(self, text: str) -> None:
        """Count the seconds from now."""
        self.began = time.monotonic()
        self.tell(text)

    def start(self, host: int) -> None:
        """torchrun on a host."""
        self.away.discard(host)
        self.jobs[host] = self.network.start(host, self.command, self.output(host), **REJOIN)

    def output(self, host: int) -> Path:
        """What a host's processes printed."""
        return self.network.folder / f"output{host}.txt"

    def log(self) -> str:
        """The training's log so far."""
        path = self.network.folder / "runs" / "logs" / "training.log"
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    def until(self, done: Callable[[], bool], seconds: float = 300) -> None:
        """Watch until ``done``."""
        end = time.monotonic() + seconds
        while not done():
            self._look()
            assert time.monotonic() < end, f"waited too long:\n{self.log()[-2000:]}"
            time.sleep(0.05)

    def finish(self) -> None:
        """Watch until both ended well."""
        self.until(lambda: all(job.poll() == 0 for job in self.jobs.values()))
        self._look()
        self.tell("finished")

    def _look(self) -> None:
        for line in self.log().splitlines():
            if line not in self._told and ("  epoch " in line or " processes: " in line):
                self._told.add(line)
                self.tell("log: " + line.split(maxsplit=3)[-1].split("  lr")[0])
        for host, job in list(self.jobs.items()):
            code = job.poll()
            if code and host not in self.away:
                self.tell(f"host{host}: torchrun ended with {code} ({self._reason(host)}); started again")
                self.start(host)

    def _reason(self, host: int) -> str:
        lines = self.output(host).read_text(encoding="utf-8").splitlines()
        errors = [line.strip() for line in lines[-60:] if "Error" in line and not line.startswith(" ")]
        return errors[-1].split(": ")[0][-60:] if errors else "no message"


def summary(folder: Path) -> tuple[str, dict, bytes]:
    """Hash of the weights, the metrics without where and when they were measured, predictions.json."""
    evaluation = folder / "runs" / "logs" / "evaluation"
    metrics = json.loads((evaluation / "metrics.json").read_text(encoding="utf-8"))
    metrics.pop("about")
    return weights_hash(folder / "runs"), metrics, (evaluation / "predictions.json").read_bytes()


def one_host(folder: Path, data_dir: Path, epochs: int, processes: int = 4) -> tuple[str, dict, bytes]:
    """All processes on one host: what all else is compared with."""
    settings(folder, data_dir, epochs)
    with Network(folder, 1) as network:
        run_all(network, torchrun(network, "train.py", nodes="1", processes=processes), 1)
        run_all(network, torchrun(network, "evaluate.py", nodes="1", processes=processes), 1)
    return summary(folder)


def two_hosts(folder: Path, data_dir: Path, epochs: int, processes: int = 2) -> tuple[str, dict, bytes]:
    """So many processes on each of two hosts; each host has a disk of its own for what is written."""
    settings(folder, data_dir, epochs)
    with Network(folder, 2, disk=folder / "runs") as network:
        run_all(network, torchrun(network, "train.py", processes=processes), 2)
        first, second = network.own_disk(0), network.own_disk(1)
        written = sorted(str(path.relative_to(second)) for path in second.rglob("*") if path.is_file())
        assert not written, f"the second host wrote {written}"
        (second / "checkpoints").mkdir(exist_ok=True)
        best = "checkpoints/best_model.pth"
        (second / best).write_bytes((first / best).read_bytes())
        run_all(network, torchrun(network, "evaluate.py", processes=processes), 2)
        (folder / "runs").rmdir()
        first.rename(folder / "runs")
    return summary(folder)


def blink(watch: Watch) -> None:
    """Shorter than the time-out."""
    watch.network.cut(1)
    watch.mark("host1's cable is out")
    watch.until(lambda: time.monotonic() > watch.began + TIMEOUT_SECONDS / 6)
    watch.network.correct(1)
    watch.tell("host1's cable is in again")


def cut(watch: Watch) -> None:
    """Until the job has noticed, and some more."""
    watch.network.cut(1)
    watch.mark("host1's cable is out")
    watch.until(lambda: time.monotonic() > watch.began + 2 * TIMEOUT_SECONDS)
    watch.network.correct(1)
    watch.tell("host1's cable is in again")


def power(watch: Watch, host: int = 1) -> None:
    """Of a host, for ten seconds."""
    watch.away.add(host)
    watch.network.crash(host)
    watch.mark(f"host{host} lost its power")
    watch.until(lambda: time.monotonic() > watch.began + 10)
    watch.start(host)
    watch.tell(f"host{host} is back")


def store(watch: Watch) -> None:
    """The host with the meeting place."""
    power(watch, 0)


def leave(watch: Watch) -> None:
    """The second host, until the first has done two epochs alone."""
    watch.away.add(1)
    watch.network.crash(1)
    watch.mark("host1 lost its power")
    before = watch.log().count("  epoch ")
    watch.until(lambda: watch.log().count("  epoch ") >= before + 2)
    watch.start(1)
    watch.tell("host1 is back")


def broken(folder: Path, data_dir: Path, epochs: int, story: str) -> str:
    """A training with a host lost after its first epoch; returns the hash of its weights."""
    settings(folder, data_dir, epochs)
    happen = {"blink": blink, "cut": cut, "power": power, "store": store, "leave": leave}[story]
    with Network(folder, 2) as network:
        nodes = "1:2" if story == "leave" else "2"
        watch = Watch(network, torchrun(network, "train.py", "--resume", nodes=nodes))
        watch.until(lambda: "epoch 1/" in watch.log())
        happen(watch)
        watch.finish()
    return weights_hash(folder / "runs")


def tell(story: str, found: str, expected: str) -> bool:
    """Whether the weights are as they should be."""
    verdict = "equal" if found == expected else "DIFFERENT"
    print(f"{story:10s} {found}  {verdict}", flush=True)
    return found == expected


def main() -> int:
    """Print what happens, and whether the weights are equal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stories", nargs="*", help=f"of {', '.join(STORIES)}; default: all")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--keep", type=Path, help="folder for the runs; default: one that is removed")
    arguments = parser.parse_args()
    if unknown := set(arguments.stories) - set(STORIES):
        parser.error(f"no story {', '.join(sorted(unknown))}")
    if reason := unavailable():
        print(f"skipped: {reason}")
        return 0
    print(f"torch {torch.__version__}, distributed.timeout_minutes {TIMEOUT_SECONDS / 60:g}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        base = (arguments.keep or Path(temporary)).resolve()
        if not (base / "data").exists():
            generate(base / "data", num_images=96, size_hw=(96, 96), seed=0)
        expected, metrics, predictions = one_host(base / "one_host", base / "data", arguments.epochs)
        print(f"{'one host':10s} {expected}", flush=True)
        good = True
        for story in arguments.stories or STORIES:
            if story == "equal":
                found, other, others = two_hosts(base / story, base / "data", arguments.epochs)
                print(f"metrics equal: {metrics == other}; predictions equal: {predictions == others}", flush=True)
                good &= tell("two hosts", found, expected) and (metrics, predictions) == (other, others)
                continue
            found = broken(base / story, base / "data", arguments.epochs, story)
            # Fewer processes make smaller batches: other weights are right after `leave`.
            good &= story == "leave" or tell(story, found, expected)
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
