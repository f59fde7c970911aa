"""What the machine has, without torch: cores, memory, a GPU."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from anomdet.quality.propose.choices import Machine

_CGROUP_FILES = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def look() -> Machine:
    """The cores that this process may use, the memory that is free, and the first GPU."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    name, total_gb = _gpu()
    return Machine(cores=cores, memory_gb=_memory_gb(), gpu=name, gpu_memory_gb=total_gb)


def _memory_gb() -> float | None:
    """Free for a new program, at most what a container allows; None: the system does not say."""
    try:
        found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"))
    except OSError:
        return None
    limits = [int(found[1]) * 1024] if found else []
    for path in _CGROUP_FILES:
        try:
            text = Path(path).read_text(encoding="ascii").strip()
        except OSError:
            continue
        limits += [int(text)] if text.isdigit() else []
    return min(limits) / 1e9 if limits else None


def _gpu() -> tuple[str | None, float | None]:
    """Name and memory of the first GPU, by nvidia-smi; only the driver's presence where that does not answer."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):  # hidden, as torch understands it
        return None, None
    driver = Path("/proc/driver/nvidia/version").exists()
    smi = shutil.which("nvidia-smi")
    if smi is not None:
        command = [smi, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits", "--id=0"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
            name, _, mebibytes = done.stdout.strip().splitlines()[0].rpartition(",")
            return name.strip(), float(mebibytes) * 2**20 / 1e9
        except (OSError, subprocess.SubprocessError, ValueError, IndexError):
            pass
    return ("a GPU of NVIDIA's", None) if driver else (None, None)
