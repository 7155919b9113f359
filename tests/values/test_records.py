"""Dataclasses are the schema of documents: what does not fit is refused by its name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pytest

from livehand_core.records import WRITTEN, Unfit, build


@dataclass(frozen=True)
class Part:
    size: int = 3

    def __post_init__(self) -> None:
        if self.size > 100:
            raise ValueError(f"a size of {self.size}")


@dataclass(frozen=True)
class Whole:
    name: str
    part: Part = field(default_factory=Part)
    rate: float = 1.0
    on: bool = False
    sides: tuple[int, ...] = ()
    pair: tuple[int, int] = (1, 2)
    kind: Literal["uvd", "xyz"] = "uvd"
    loss: float | None = None
    choice: int | str | dict[str, float] = 0
    notes: dict[str, Any] = field(default_factory=dict)
    matrix: np.ndarray | None = None


def test_a_document_becomes_the_dataclass():
    document = {"name": "a", "part": {"size": 4}, "rate": 2, "sides": [1, 2], "pair": [3, 4], "loss": None}
    whole = build(Whole, {**document, "choice": {"a": 1}, "notes": {"any": [1, "b"]}, "matrix": [[1, 2]]})
    assert (whole.part, whole.rate, whole.sides, whole.pair) == (Part(4), 2.0, (1, 2), (3, 4))
    assert isinstance(whole.rate, float) and whole.choice == {"a": 1.0} and whole.matrix.shape == (1, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": None}, "name is None, not text"),
        ({"part": None}, "part is None, not an object"),
        ({"part": {"size": 1e9}}, "part.size is 1000000000.0, not a whole number"),
        ({"part": {"size": True}}, "part.size is True"),
        ({"part": {"size": 101}}, "part: a size of 101"),
        ({"part": {"size": 1 << 60}}, "part.size is beyond"),
        ({"part": {"sise": 1}}, "part.sise is unknown"),
        ({"rate": "2"}, "rate is '2', not a number"),
        ({"rate": float("nan")}, "rate is nan, not a finite number"),
        ({"rate": 10**400}, "not a finite number"),
        ({"on": 1}, "on is 1, not true or false"),
        ({"sides": [1, "2"]}, r"sides\[1\] is '2'"),
        ({"sides": 5}, "sides is 5, not a list"),
        ({"pair": [1, 2, 3]}, "not a list of 2"),
        ({"kind": "uvw"}, "kind is 'uvw', not 'uvd' or 'xyz'"),
        ({"kind": []}, "kind is"),
        ({"choice": []}, "choice is"),
        ({"choice": {"a": "b"}}, "choice.a is 'b'"),
        ({"notes": None}, "notes is None"),
        ({"matrix": [[1, 2], [3]]}, "matrix is"),
        ({"matrix": ["a"]}, "matrix is"),
        ({"other": 1}, "other is unknown"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    with pytest.raises(Unfit, match=message):
        build(Whole, {"name": "a", **change})


def test_a_missing_field_and_no_object_are_told():
    with pytest.raises(Unfit, match="name is missing"):
        build(Whole, {})
    with pytest.raises(Unfit, match="not an object"):
        build(Whole, [1])


def test_unknown_keys_of_a_newer_version_can_be_passed_over():
    assert build(Part, {"size": 1, "newer": 2}, unknown="pass") == Part(1)


def test_a_field_that_documents_always_hold_is_missed_though_code_may_leave_it_out():
    @dataclass(frozen=True)
    class Kept:
        betas: float | None = field(default=None, metadata={WRITTEN: True})

    assert Kept() == build(Kept, {"betas": None})
    with pytest.raises(Unfit, match="betas is missing"):
        build(Kept, {})
