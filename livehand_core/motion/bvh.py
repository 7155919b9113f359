"""Biovision files (``.bvh``): a skeleton and its motion, as the positions of a hand's joints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..errors import PoseError
from ..poses import Side
from .bone_names import find_mapping
from .convention import ReadOptions
from .points import POINT_NAMES, PointMotion

_AXES = {"X": 0, "Y": 1, "Z": 2}


@dataclass
class Node:
    """A joint of the skeleton; an end site is called after its parent, with ``_end``."""

    name: str
    parent: int
    offset: np.ndarray
    channels: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Bvh:
    """What a file holds.

    Attributes:
        nodes: parents before children.
        frames: (n, channels) of the motion.
        fps: frames a second.
    """

    nodes: tuple[Node, ...]
    frames: np.ndarray
    fps: float

    def positions(self) -> np.ndarray:
        """(n, nodes, 3) places of all joints and ends."""
        count, column = len(self.frames), 0
        turns = np.empty((len(self.nodes), count, 3, 3))
        places = np.empty((len(self.nodes), count, 3))
        for index, node in enumerate(self.nodes):
            turn, offset = np.tile(np.eye(3), (count, 1, 1)), np.tile(node.offset, (count, 1))
            moved = [axis for channel in node.channels if channel.endswith("position") for axis in channel[0].upper()]
            if moved:
                # Positions stand in place of the offset, of those axes that have one.
                offset[:, [_AXES[axis] for axis in moved]] = 0.0
            for channel in node.channels:
                values, axis = self.frames[:, column], _AXES[channel[0].upper()]
                if channel.endswith("position"):
                    offset[:, axis] += values
                else:
                    turn = turn @ _about(axis, np.radians(values))
                column += 1
            if node.parent < 0:
                turns[index], places[index] = turn, offset
            else:
                above = turns[node.parent]
                turns[index] = above @ turn
                places[index] = places[node.parent] + (above @ offset[..., None])[..., 0]
        return places.transpose(1, 0, 2)


def parse_bvh(text: str, name: str) -> Bvh:
    """Read a file's text.

    Raises:
        PoseError: it is no such file, or is cut off.
    """
    head, found, tail = text.partition("MOTION")
    if not found or "HIERARCHY" not in head:
        raise PoseError(f"{name} is no BVH file.", "Export it again.")
    try:
        nodes = _nodes(head)
        match = re.search(r"Frames:\s*(\d+)\s*Frame\s+Time:\s*([0-9.eE+-]+)", tail)
        if match is None:
            raise ValueError("it tells no frames")
        width = sum(len(node.channels) for node in nodes)
        numbers = np.array(tail[match.end() :].split(), dtype=np.float64)
        count = int(match[1])
        if len(numbers) < count * width or count < 1:
            raise ValueError(f"it has {len(numbers)} numbers of {count * width}")
        seconds = float(match[2])
        frames = numbers[: count * width].reshape(count, width)
        if not np.isfinite(frames).all():
            raise ValueError("it holds numbers that are not finite")
        return Bvh(tuple(nodes), frames, 1.0 / seconds if seconds > 1e-6 else 30.0)
    except (ValueError, IndexError, KeyError) as error:
        raise PoseError(f"{name} is damaged ({error}).", "Export it again.") from error


def hand_motion(bvh: Bvh, options: ReadOptions, name: str) -> PointMotion:
    """A hand of the skeleton, as points.

    Raises:
        PoseError: its bones are not found.
    """
    names = [node.name for node in bvh.nodes]
    side, mapping = _side_and_mapping(names, options)
    places = bvh.positions()
    points = np.full((len(places), len(POINT_NAMES), 3), np.nan)
    for point, bone in mapping.items():
        points[:, POINT_NAMES.index(point)] = places[:, names.index(bone)]
    for number, point in enumerate(POINT_NAMES):
        # Where a tip has no name of its own it is the end of the last bone.
        before = mapping.get(point.replace("tip", "3"))
        if point.endswith("tip") and point not in mapping and before is not None:
            child = next((i for i, node in enumerate(bvh.nodes) if node.parent == names.index(before)), None)
            if child is not None:
                points[:, number] = places[:, child]
    return PointMotion(points, bvh.fps, side, "y")


def _side_and_mapping(names: list[str], options: ReadOptions) -> tuple[Side, Mapping[str, str]]:
    wanted: Side = options.side or options.prefer or "right"
    other: Side = "left" if wanted == "right" else "right"
    try:
        return wanted, find_mapping(names, wanted, options.bones)
    except PoseError:
        if options.side is not None or options.bones is not None:
            raise
    return other, find_mapping(names, other)


def _nodes(head: str) -> list[Node]:
    nodes: list[Node] = []
    stack: list[int] = []
    words = head.split()
    place = 0
    while place < len(words):
        word = words[place].upper()
        if word in ("ROOT", "JOINT", "END"):
            # Names may have spaces: all up to the brace.
            brace = words.index("{", place)
            called = " ".join(words[place + 1 : brace])
            parent = stack[-1] if stack else -1
            nodes.append(Node(f"{nodes[parent].name}_end" if word == "END" else called, parent, np.zeros(3)))
            stack.append(len(nodes) - 1)
            place = brace + 1
        elif word == "OFFSET":
            nodes[stack[-1]].offset = np.array(words[place + 1 : place + 4], dtype=np.float64)
            place += 4
        elif word == "CHANNELS":
            count = int(words[place + 1])
            channels = words[place + 2 : place + 2 + count]
            if any(not re.fullmatch(r"[XYZxyz](position|rotation)", channel) for channel in channels):
                raise ValueError(f"it has the channels {' '.join(channels)}")
            nodes[stack[-1]].channels = channels
            place += 2 + count
        elif word == "}":
            stack.pop()
            place += 1
        else:
            place += 1
    return nodes


def _about(axis: int, angles: np.ndarray) -> np.ndarray:
    """(n, 3, 3) turns about x, y or z."""
    cosine, sine = np.cos(angles), np.sin(angles)
    turns = np.zeros((len(angles), 3, 3))
    second, third = (axis + 1) % 3, (axis + 2) % 3
    turns[:, axis, axis] = 1.0
    turns[:, second, second] = turns[:, third, third] = cosine
    turns[:, second, third], turns[:, third, second] = -sine, sine
    return turns
