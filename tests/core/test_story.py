"""Where an avatar comes from is told wherever one is chosen; training refuses one without a licence."""

from __future__ import annotations

import json

import pytest

from livehand_core import cli
from livehand_core.avatars import read_metadata
from livehand_core.avatars.story import story
from livehand_core.doctor import examine
from livehand_core.errors import TrainingError
from livehand_core.training.config import preset
from livehand_core.training.export import licence_of


def test_the_command_and_the_doctor_tell_it(capsys: pytest.CaptureFixture[str]) -> None:
    metadata = read_metadata("default")
    lines = story(metadata)
    assert f"Licence: {metadata.licence}" in lines and any(metadata.content_hash[:16] in line for line in lines)
    assert cli.main(["info"]) == 0
    said = capsys.readouterr().out
    assert all(line in said for line in lines)
    assert cli.main(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["content_hash"] == metadata.content_hash
    found = next(finding for finding in examine(start_engine=False) if finding.topic == "default avatar")
    assert all(line in found.detail for line in lines)


class Stated:
    """What ``licence_of`` asks of a capture."""

    def __init__(self, licence: str) -> None:
        self.licence = licence


def test_an_avatar_without_a_licence_is_refused() -> None:
    assert licence_of(preset("cpu", steps=1, licence="own use only"), Stated("CC0-1.0")) == "own use only"  # type: ignore[arg-type]
    assert licence_of(preset("cpu", steps=1), Stated("CC0-1.0")) == "CC0-1.0"  # type: ignore[arg-type]
    with pytest.raises(TrainingError, match="no licence"):
        licence_of(preset("cpu", steps=1, licence="  "), Stated(""))  # type: ignore[arg-type]
