"""Occluders on their way to the engine: sent once each, there when they are needed, forgotten in the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from livehand_core.engine import connection, occluders
from livehand_core.engine.occluders import KeptOccluders, SentOccluders
from livehand_core.engine.protocol import Message
from livehand_core.frames import FrameRequest
from livehand_core.occluders import MOST_FACES, Occluder
from livehand_core.passes import RenderPasses
from tests.engine.helpers import MakeClient, eventually, make_request


def mesh(seed: int, faces: int = 4) -> Occluder:
    points = np.random.default_rng(seed).normal(size=(faces + 2, 3))
    return Occluder(f"mesh {seed}", points, np.arange(faces)[:, None] + np.arange(3))


def frame(*meshes: Occluder) -> FrameRequest:
    return replace(make_request("occluders"), occluders=meshes)


def sent(client_side: SentOccluders, meshes: Sequence[Occluder]) -> list[Message]:
    return list(client_side.messages(meshes))


def test_each_is_sent_once_and_the_longest_unused_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b, c = (mesh(seed) for seed in range(3))
    monkeypatch.setattr(occluders, "KEPT_BYTES", 2 * (a.vertices.nbytes + a.faces.nbytes))
    ours, theirs = SentOccluders(), KeptOccluders()
    assert [message["key"] for message in sent(ours, [a, b, a])] == [a.key, b.key]
    assert sent(ours, [a]) == [] and sent(ours, []) == []
    last, forget = sent(ours, [c])
    assert last["key"] == c.key and forget == {"type": "forget", "keys": [b.key]}
    # What the frame itself needs is kept, however much it is.
    assert [message["type"] for message in sent(ours, [a, b, c])] == ["occluder"]
    for message in sent(SentOccluders(), [a, b]):
        theirs.take(message)
    theirs.take({"type": "forget", "keys": [a.key, "unknown"]})
    assert len(theirs) == 1 and theirs.of_request({"occluders": [b.key]}) == {"occluders": [b]}


def test_the_engine_gets_them_whole_and_once(client_of: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    encode = connection.encode

    def watched(message: Message) -> bytes:
        written.append(message["type"])
        return encode(message)

    monkeypatch.setattr(connection, "encode", watched)
    client, cup, table = client_of(), mesh(1, 20_000), mesh(2)
    assert client.render(frame(cup)).warnings == (cup.key,)
    assert client.render(frame(table, cup)).warnings == (table.key, cup.key)
    assert client.render(frame()).warnings == ()
    assert client.render(frame(cup)).warnings == (cup.key,)
    assert written.count("occluder") == 2


def test_the_largest_one_fits_and_a_new_engine_is_sent_all_anew(client_of: MakeClient) -> None:
    client = client_of()
    largest = mesh(0, MOST_FACES - 2)
    assert client.render(frame(largest)).warnings == (largest.key,)
    with pytest.raises(Exception, match="ended with code 7"):
        client.render(make_request("die"))
    assert client.render(frame(largest)).warnings == (largest.key,)


def test_live_frames_that_replace_each_other_name_only_what_is_there(client_of: MakeClient) -> None:
    """All of it is queued while the engine starts: each channel's newest request takes an older one's place."""
    client, meshes = client_of(), [mesh(seed) for seed in range(8)]
    for turn in range(24):
        client.submit(frame(meshes[turn % 8], meshes[(3 * turn + 1) % 8]), f"view {turn % 3}")
    for view in range(3):
        turn, answers = 21 + view, list[RenderPasses]()

        def came(view: int = view, answers: list[RenderPasses] = answers) -> bool:
            answer = client.poll(f"view {view}")
            answers.extend([answer] if isinstance(answer, RenderPasses) else [])
            return bool(answers)

        assert eventually(came)
        assert answers[-1].warnings == (meshes[turn % 8].key, meshes[(3 * turn + 1) % 8].key)
