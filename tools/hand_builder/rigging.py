"""What makes the proxy move: skinning weights, joint regressor, shape directions, pose correctives, pose components."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from livehand_core.hand.gestures import gesture, joint_rotations, sample_pose
from livehand_core.hand.limits import FINGERS, JOINT_AXES, JOINT_RANGES
from livehand_core.poses import PARENTS
from livehand_core.rotations import axis_angle_to_matrix, matrix_to_quaternion, quaternion_to_matrix

from . import field
from .anatomy import joints, tips


def cotangent_laplacian(vertices: np.ndarray, faces: np.ndarray) -> tuple[sp.csc_matrix, np.ndarray]:
    """Stiffness matrix (V, V), positive semi-definite, and (V,) lumped vertex areas."""
    count = len(vertices)
    rows, cols, values = [], [], []
    area = np.zeros(count)
    for k in range(3):
        i, j, o = faces[:, k], faces[:, (k + 1) % 3], faces[:, (k + 2) % 3]
        a, b = vertices[i] - vertices[o], vertices[j] - vertices[o]
        twice = np.linalg.norm(np.cross(a, b), axis=1)
        cot = np.clip((a * b).sum(axis=1) / twice, 0.01, None)
        rows += [i, j, i, j]
        cols += [j, i, i, j]
        values += [-0.5 * cot, -0.5 * cot, 0.5 * cot, 0.5 * cot]
        np.add.at(area, faces[:, k], twice / 6.0)
    flat = (np.concatenate(values), (np.concatenate(rows), np.concatenate(cols)))
    return sp.csc_matrix(flat, shape=(count, count)), area


def finger_of(points: np.ndarray) -> np.ndarray:
    """(n,) index into ``FINGERS`` of the nearest finger tube."""
    return np.argmin([field.finger_distance(points, name) for name in FINGERS], axis=0)


def skinning_weights(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 16) smooth weights: "moves with this joint or beyond" is diffused along the surface, joint by joint."""
    stiffness, area = cotangent_laplacian(vertices, faces)
    mass = sp.diags(area)
    rest = joints()
    owner = finger_of(vertices)
    moves = np.zeros((len(vertices), 16))
    moves[:, 0] = 1.0
    for finger, name in enumerate(FINGERS):
        thumb = name == "thumb"
        for part in range(3):
            joint = 1 + 3 * finger + part
            along = JOINT_AXES[joint - 1, 2]
            before = JOINT_AXES[joint - 2, 2] if part else along
            plane = (along + before) / np.linalg.norm(along + before)
            local = (vertices - rest[joint]) @ JOINT_AXES[joint - 1].T
            side = (vertices - rest[joint]) @ plane
            if thumb and part == 0:
                # The thumb's base carries the thenar muscle; it ends towards the palm's middle and the index finger.
                inside = (local[:, 2] > 0.008) & _thumb_side(vertices)
                reach = 0.0085
            else:
                # Skin on the palm side of a knuckle starts to move further out: the web lies there.
                shift = 0.35 * np.clip(-local[:, 1], 0.0, None) if part == 0 else 0.0
                inside = (side - shift > 0.0) & (owner == finger)
                if part == 0:
                    inside &= field.finger_distance(vertices, name) < 5.0
                reach = (0.0062, 0.0036, 0.0032)[part] if not thumb else (0.0, 0.0050, 0.0040)[part]
            # Twice: the kernel loses its kink at the joint.
            solver = splu((mass + reach**2 * stiffness).tocsc())
            value = inside.astype(float)
            for _ in range(2):
                value = solver.solve(area * value)
            moves[:, joint] = np.clip(value, 0.0, 1.0)
    for finger in range(5):
        for part in (1, 2):
            joint = 1 + 3 * finger + part
            moves[:, joint] = np.minimum(moves[:, joint], moves[:, joint - 1])
    firsts = [1 + 3 * k for k in range(5)]
    total = moves[:, firsts].sum(axis=1)
    scale = np.minimum(1.0, 1.0 / np.maximum(total, 1e-9))
    moves[:, 1:] *= scale[:, None]
    weights = np.zeros_like(moves)
    weights[:, 0] = 1.0 - moves[:, firsts].sum(axis=1)
    for finger in range(5):
        first = 1 + 3 * finger
        weights[:, first] = moves[:, first] - moves[:, first + 1]
        weights[:, first + 1] = moves[:, first + 1] - moves[:, first + 2]
        weights[:, first + 2] = moves[:, first + 2]
    # Little is gained by more than four joints a vertex, and game engines expect that limit.
    weakest = np.argsort(weights, axis=1)[:, :-4]
    np.put_along_axis(weights, weakest, 0.0, axis=1)
    weights[weights < 2e-3] = 0.0
    return weights / weights.sum(axis=1, keepdims=True)


def _thumb_side(vertices: np.ndarray) -> np.ndarray:
    """(V,) bool: nearer to the thumb's bones than to the index finger's metacarpal, counted by thickness."""
    rest = joints()
    thumb = _segment_distance(vertices, rest[13], rest[14])
    thumb = np.minimum(thumb, _segment_distance(vertices, rest[14], tips()[4]))
    index = _segment_distance(vertices, np.array([-0.020, 0.001, 0.012]), rest[1])
    middle = _segment_distance(vertices, np.array([-0.020, 0.001, 0.004]), rest[4])
    fingers = np.minimum(_segment_distance(vertices, rest[1], tips()[0]), np.minimum(index, middle))
    return thumb < 0.95 * fingers + 0.001


def _segment_distance(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    axis = end - start
    t = np.clip((points - start) @ axis / (axis @ axis), 0.0, 1.0)
    return np.linalg.norm(points - start - t[:, None] * axis, axis=1)


def joint_regressor(vertices: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(16, V) rows that sum to 1 and give the joints exactly: smallest change of a ring of nearby vertices.

    Each joint starts as a soft ring of the vertices around it and is corrected with least norm, so that it follows the
    shape directions as the flesh around it does.
    """
    rest = joints()
    rows = np.zeros((16, len(vertices)))
    for joint in range(16):
        distance = np.linalg.norm(vertices - rest[joint], axis=1)
        if joint:
            chain = [joint] + ([joint - 1] if PARENTS[joint] else [0])
            distance = np.where(weights[:, chain].sum(axis=1) > 0.3, distance, distance + 1.0)
        ring = np.argsort(distance, kind="stable")[:48]
        start = np.exp(-((distance[ring] / (1.3 * distance[ring][8])) ** 2))
        start /= start.sum()
        # Least change under the constraints, measured relative to the start so that far vertices stay small.
        system = np.vstack([vertices[ring].T, np.ones(len(ring))])
        wrong = np.append(rest[joint], 1.0) - system @ start
        weighted = system * start
        rows[joint, ring] = start + weighted.T @ np.linalg.solve(system @ weighted.T, wrong)
    return rows


SHAPE_NAMES = (
    "overall size",
    "finger length",
    "finger thickness",
    "palm width",
    "palm thickness",
    "thumb length",
    "palm length",
    "finger taper",
    "outer fingers' length",
    "thumb thickness",
)


def shape_directions(vertices: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(V, 3, 10) offsets of one standard deviation each, in the order of ``SHAPE_NAMES``.

    Each is a sum over joints of "skinning weight times an affine motion of that bone", hence as smooth as the skinning.
    """
    rest = joints()
    first = np.array([0] + [1 + 3 * ((j - 1) // 3) for j in range(1, 16)])
    directions = np.zeros((len(vertices), 3, 10))
    directions[:, :, 0] = 0.035 * vertices

    def stretch(amount: dict[str, float]) -> np.ndarray:
        total = np.zeros_like(vertices)
        for finger, name in enumerate(FINGERS):
            for joint in range(1 + 3 * finger, 4 + 3 * finger):
                along = JOINT_AXES[joint - 1, 2]
                move = rest[joint] - rest[first[joint]] + np.outer((vertices - rest[joint]) @ along, along)
                total += amount.get(name, 0.0) * weights[:, joint, None] * move
        return total

    def thicken(amount: dict[str, tuple[float, float, float]]) -> np.ndarray:
        total = np.zeros_like(vertices)
        for finger, name in enumerate(FINGERS):
            for part in range(3):
                joint = 1 + 3 * finger + part
                along = JOINT_AXES[joint - 1, 2]
                local = vertices - rest[joint]
                across = local - np.outer(local @ along, along)
                total += amount.get(name, (0.0,) * 3)[part] * weights[:, joint, None] * across
        return total

    def palm_scale(axis: int, amount: float) -> np.ndarray:
        total = np.zeros_like(vertices)
        for joint in range(16):
            along = vertices[:, axis] if joint == 0 else rest[first[joint], axis]
            total[:, axis] += amount * weights[:, joint] * along
        return total

    long_fingers = ("index", "middle", "pinky", "ring")
    directions[:, :, 1] = stretch({name: 0.05 for name in long_fingers})
    directions[:, :, 2] = thicken({name: (0.05, 0.07, 0.07) for name in long_fingers})
    directions[:, :, 3] = palm_scale(2, 0.045)
    directions[:, :, 4] = palm_scale(1, 0.08)
    directions[:, :, 5] = stretch({"thumb": 0.06})
    directions[:, :, 6] = palm_scale(0, 0.04)
    directions[:, :, 7] = thicken({name: (0.05, 0.0, -0.07) for name in FINGERS})
    directions[:, :, 8] = stretch({"index": -0.03, "ring": 0.03, "pinky": 0.06})
    directions[:, :, 9] = thicken({"thumb": (0.06, 0.07, 0.08)})
    return directions


def pose_correctives(vertices: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(V, 3, 135) offsets per entry of R - I that make linear blending keep volume at bends.

    Target: each vertex turns about the joint by the quaternion blend of its weights, which keeps its distance from the
    joint. The difference to linear blending, taken back to the rest pose, is fitted joint by joint.
    """
    rest = joints()
    result = np.zeros((len(vertices), 3, 135))
    for joint in range(1, 16):
        members = [joint + k for k in range(3 - (joint - 1) % 3)]
        moved = weights[:, members].sum(axis=1)
        touched = np.flatnonzero((moved > 1e-3) & (moved < 0.999))
        low, high = JOINT_RANGES[joint - 1].T
        angles = [np.array([f, 0.0, 0.0]) for f in np.linspace(low[0], high[0], 9)]
        for axis in (1, 2):
            for value in (low[axis], high[axis]):
                for f in np.linspace(low[0], high[0], 4):
                    if abs(value) > 1e-6:
                        extra = np.array([f, 0.0, 0.0])
                        extra[axis] = value
                        angles.append(extra)
        features, offsets = [], []
        local = vertices[touched] - rest[joint]
        share = moved[touched][:, None]
        for angle in angles:
            pose = np.zeros((15, 3))
            pose[joint - 1] = angle
            turn = axis_angle_to_matrix(joint_rotations(pose)[joint - 1])
            quaternion = (1.0 - share) * np.array([1.0, 0.0, 0.0, 0.0]) + share * matrix_to_quaternion(turn)
            quaternion /= np.linalg.norm(quaternion, axis=1, keepdims=True)
            target = np.einsum("vij,vj->vi", quaternion_to_matrix(quaternion), local)
            linear = np.eye(3) + share[:, :, None] * (turn - np.eye(3))
            offsets.append(np.linalg.solve(linear, target[:, :, None])[:, :, 0] - local)
            features.append((turn - np.eye(3)).reshape(-1))
        basis = np.stack(features)
        wanted = np.stack(offsets).reshape(len(angles), -1)
        ridge = 1e-3 * np.eye(9)
        solution = np.linalg.solve(basis.T @ basis + ridge, basis.T @ wanted).reshape(9, len(touched), 3)
        result[touched, :, 9 * (joint - 1) : 9 * joint] = solution.transpose(1, 2, 0)
    return result


def pose_statistics(count: int = 2000, seed: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Mean pose (45,), the relaxed hand, and pose components (45, 45), one a row, of sampled natural poses."""
    mean = gesture("relaxed").reshape(-1)
    rng = np.random.default_rng(seed)
    poses = np.stack([sample_pose(rng).reshape(-1) for _ in range(count)])
    _, _, components = np.linalg.svd(poses - poses.mean(axis=0), full_matrices=True)
    # An SVD's signs are arbitrary: the largest entry of each row is positive.
    pivot = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], axis=1)
    return mean, components * np.sign(pivot)
