"""A real Slurm for the run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.farm.slurm import cluster


@pytest.fixture(scope="session")
def slurm_environment() -> Iterator[dict[str, str]]:
    """The environment in which Slurm's commands find a cluster of one node."""
    # A short path: a socket's may have 100 letters.
    with tempfile.TemporaryDirectory(prefix="slurm-") as name, cluster(Path(name)) as environment:
        yield environment
