"""The package and what it needs, in ranges; constraints.txt pins one tested set."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def requirements(name: str) -> list[str]:
    """The lines of ``requirements/<name>.txt`` without comments."""
    lines = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith(("#", "-"))]


VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "anomdet" / "__init__.py").read_text(encoding="utf-8"))
assert VERSION is not None

setup(
    name="anomdet",
    version=VERSION.group(1),
    description="Train, evaluate and ship detectors of visual anomalies (defects) with class-labelled boxes",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    license_files=["LICENSE"],
    python_requires=">=3.10,<3.14",
    # The configs lie in the root, where users look for them, and in the wheel inside the package.
    packages=[*find_packages(include=["anomdet", "anomdet.*"]), "anomdet.configs"],
    package_dir={"anomdet.configs": "configs"},
    package_data={
        "anomdet.configs": ["*.yaml", "*.py", "*.json"],
        "anomdet": ["py.typed"],
        "anomdet.report": ["assets/*"],
    },
    install_requires=requirements("runtime"),
    extras_require={"tests": requirements("tests"), "optional": requirements("optional")},
    entry_points={"console_scripts": ["anomdet=anomdet.cli.main:main"]},
    classifiers=[
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
)
