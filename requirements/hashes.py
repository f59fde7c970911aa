"""Pins with hashes from pip's own report, for ``pip install --require-hashes``: how gate.txt beside this file is made.

pip freeze --all --exclude pip --exclude-editable > pins.txt
pip install --dry-run --ignore-installed --no-deps --no-build-isolation --report report.json -r pins.txt
python requirements/hashes.py report.json > requirements/gate.txt
"""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path


def lines(report: dict) -> list[str]:
    """``name==version --hash=sha256:...`` of each package in a report of pip's, by name."""
    found = {}
    for item in report["install"]:
        name, version = item["metadata"]["name"], item["metadata"]["version"]
        digest = item["download_info"]["archive_info"]["hashes"]["sha256"]
        found[name.lower()] = f"{name}=={version} --hash=sha256:{digest}"
    return [found[name] for name in sorted(found)]


if __name__ == "__main__":
    sys.stdout.write(f"# Python {platform.python_version()}, {platform.system()} {platform.machine()}; see hashes.py\n")
    sys.stdout.write("".join(f"{line}\n" for line in lines(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))))
