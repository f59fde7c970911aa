"""`anomdet serve` under load on this machine: throughput against predict, latency, overload, TERM, malformed requests.

    python benchmarks/serve.py --model exported --images data/images [--seconds 60] [--malformed 10000] [--num 256]

The service runs with one thread of the runtime. Where cores are shared, wall time says nothing: throughput is compared
as processor time an image of the two processes, and in images a second only as a remark. Each load is bounded by
`--seconds` and goes to 127.0.0.1. Bars: 0.85 of predict's throughput with 32 clients; p99 below 3 medians at half load;
at 4 x overload an answer or a 503 for each request, below 1 GB; no request lost at TERM; a 4xx for each malformed one.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # for the tests' malformed requests

from tests.unit.serving import malformed  # noqa: E402

NUM_CLIENTS = 32
PREDICT = """
import sys, time, anomdet
detector = anomdet.load(sys.argv[1], threads=1)
images = sys.argv[2:]
list(detector.predict(images[:16]))
wall, own = time.perf_counter(), time.process_time()
count = sum(1 for _ in detector.predict(images))
print(count / (time.perf_counter() - wall), (time.process_time() - own) / count)
"""


@dataclass
class Load:
    """What clients saw.

    Args:
        seconds: of each answer; from when it was due, in an open loop.
        statuses: how many of each; 0: none.
        lost: errors after a request was sent.
    """

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    refused: int = 0


class Server:
    """A process of `anomdet serve`."""

    def __init__(self, model: Path, *more: str) -> None:
        command = [
            sys.executable,
            "-m",
            "anomdet.cli.main",
            "serve",
            str(model),
            "--port",
            "0",
            "--threads",
            "1",
            *more,
        ]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        said = ""
        while not (found := re.search(r"listening on http://127\.0\.0\.1:(\d+)", said)):
            line = self.process.stdout.readline()
            assert line, said
            said += line
        self.port = int(found[1])

    @property
    def processor_s(self) -> float:
        """User and system time so far."""
        parts = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")

    def megabytes(self, key: str = "VmRSS") -> float:
        """Of memory now; ``VmHWM``: at most so far."""
        found = re.search(rf"{key}:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        assert found
        return int(found[1]) * 1024 / 1e6

    def stop(self) -> int:
        """By TERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(120)


@contextmanager
def serving(model: Path, *more: str) -> Iterator[Server]:
    """Ended at the end, whatever happens."""
    server = Server(model, *more)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()


class Client:
    """One connection, made anew where the service closes it."""

    def __init__(self, port: int, load: Load) -> None:
        self._port, self._load = port, load
        self._connection: http.client.HTTPConnection | None = None

    def send(self, image: bytes, since: float) -> bool:
        """Whether the service still takes connections."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
            try:
                self._connection.connect()
            except OSError:
                self._load.refused += 1
                return False
        try:
            self._connection.request("POST", "/predict", image)
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._load.lost.append(repr(error))
            self._load.statuses[0] += 1
            self._connection = None
            return True
        if answer.status == 200:
            self._load.seconds.append(time.perf_counter() - since)
        self._load.statuses[answer.status] += 1
        if answer.getheader("connection") == "close":
            self._connection.close()
            self._connection = None
        return True


def closed_loop(server: Server, images: list[bytes], seconds: float, num_clients: int = NUM_CLIENTS) -> Load:
    """Clients that send the next image when they have the answer; until the time is up, or the service is gone."""
    load, end = Load(), time.perf_counter() + seconds

    def work(first: int) -> None:
        client = Client(server.port, load)
        for at in itertools.count(first):
            now = time.perf_counter()
            if now > end or not client.send(images[at % len(images)], now):
                return

    with ThreadPoolExecutor(num_clients) as pool:
        list(pool.map(work, range(num_clients)))
    return load


def open_loop(
    server: Server, images: list[bytes], seconds: float, per_second: float, num_clients: int, *, by_chance: bool = True
) -> Load:
    """Requests that are due at a rate, however the service answers: by chance, or evenly as a line's cycle."""
    source, load = np.random.default_rng(0), Load()
    count = int(seconds * per_second) + 1
    due = np.cumsum(source.exponential(1 / per_second, count) if by_chance else np.full(count, 1 / per_second))
    start, lock, next_one = time.perf_counter() + 0.2, threading.Lock(), iter(enumerate(due.tolist()))

    def work(_at: int) -> None:
        client = Client(server.port, load)
        while True:
            with lock:
                at, moment = next(next_one, (-1, 0.0))
            if at < 0:
                return
            time.sleep(max(0.0, start + moment - time.perf_counter()))
            client.send(images[at % len(images)], start + moment)

    with ThreadPoolExecutor(num_clients) as pool:
        list(pool.map(work, range(num_clients)))
    return load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--malformed", type=int, default=10_000)
    parser.add_argument("--num", type=int, default=256, help="images, sent again and again")
    args = parser.parse_args()
    paths = sorted(args.images.iterdir())[: args.num]
    images = [path.read_bytes() for path in paths]
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    with serving(args.model, "--timeout", "300") as server:  # on a busy machine, too
        rate = throughput(server, args.model, paths, images, args.seconds)
        latency(server, images, args.seconds, rate)
        overload(server, images, args.seconds, rate)
        term(server, images)
    with serving(args.model) as server:
        wrong(server, args.malformed)


def say(line: str) -> None:
    print(line, flush=True)


def throughput(server: Server, model: Path, paths: list[Path], images: list[bytes], seconds: float) -> float:
    """Images a second of the service."""
    command = [sys.executable, "-c", PREDICT, str(model), *map(str, paths)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    ours, theirs, rates = [], [], []
    for _ in range(3):  # in turn
        said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()
        theirs.append((float(said[0]), float(said[1])))
        before = server.processor_s
        load = closed_loop(server, images, seconds / 3)
        assert set(load.statuses) == {200}, load.statuses
        ours.append((server.processor_s - before) / load.statuses[200])
        rates.append(load.statuses[200] / (seconds / 3))
    own, peer = float(np.median(ours)), float(np.median([cpu for _, cpu in theirs]))
    peer_rate = float(np.median([rate for rate, _ in theirs]))
    say(f"throughput, {NUM_CLIENTS} clients: {1e3 * own:.1f} ms of processor time an image, predict {1e3 * peer:.1f}:")
    say(f"  {peer / own:.2f} of predict; {np.median(rates):.1f} a second by the clock, predict {peer_rate:.1f}")
    return float(np.median(rates))


def latency(server: Server, images: list[bytes], seconds: float, rate: float) -> None:
    half = rate / 2
    for how, load in (
        (f"{NUM_CLIENTS // 2} clients", closed_loop(server, images, seconds, NUM_CLIENTS // 2)),
        (f"{half:.1f} a second, evenly", open_loop(server, images, seconds, half, NUM_CLIENTS, by_chance=False)),
        (f"{half:.1f} a second, by chance", open_loop(server, images, seconds, half, NUM_CLIENTS)),
    ):
        median, p99 = 1e3 * np.percentile(load.seconds, [50, 99])
        say(f"half load, {how}: median {median:.0f} ms, p99 {p99:.0f} ms, {p99 / median:.1f} x")


def overload(server: Server, images: list[bytes], seconds: float, rate: float) -> None:
    load = open_loop(server, images, seconds, 4 * rate, 8 * NUM_CLIENTS)
    statuses, most = dict(sorted(load.statuses.items())), server.megabytes("VmHWM")
    say(f"overload, {4 * rate:.0f} a second: {statuses}, lost {len(load.lost)}; {most:.0f} MB at most")


def term(server: Server, images: list[bytes]) -> None:
    found: list[Load] = []
    clients = threading.Thread(target=lambda: found.append(closed_loop(server, images, 120)))
    clients.start()
    time.sleep(2)
    code = server.stop()
    clients.join()
    load = found[0]
    say(f"TERM under load: exit code {code}, {dict(load.statuses)}, lost {len(load.lost)} {load.lost[:3]}")


def wrong(server: Server, count: int) -> None:
    def send(kind_request: tuple[str, bytes]) -> tuple[str, int]:
        return kind_request[0], malformed.status_of(server.port, kind_request[1], 60)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, malformed.requests(min(count, 500), seed=1)))
        before = server.megabytes()
        answers = list(pool.map(send, malformed.requests(count)))
    others = [(kind, status) for kind, status in answers if not 400 <= status < 500]
    grown = server.megabytes() - before
    say(f"malformed: {count:,} requests, {len(others)} without a 4xx {others[:5]}; {grown:+.1f} MB from {before:.0f}")


if __name__ == "__main__":
    main()
