"""MANO's stand-in for all tests of data sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.datasets.hands_world import write_mano


@pytest.fixture(scope="session")
def mano_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mano")
    write_mano(folder)
    return folder


@pytest.fixture(autouse=True)
def mano(monkeypatch: pytest.MonkeyPatch, mano_folder: Path) -> None:
    monkeypatch.setenv("LIVEHAND_MANO", str(mano_folder))
