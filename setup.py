"""All metadata stand in pyproject.toml; only the list of packages is made here, as the configs join from the root."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["anomdet", "anomdet.*"]), "anomdet.configs"])
