"""Small linear systems against NumPy's own, and that what goes beside the renderer uses them."""

import ast
from pathlib import Path

import numpy as np
import pytest

from livehand_core.small_systems import inverse_affine, solved

ROOT = Path(__file__).resolve().parents[2]

BESIDE_THE_RENDERER = [
    *(ROOT / "livehand_blender").rglob("*.py"),
    *(ROOT / "livehand_core" / folder / name for folder, name in (("hand", "separation.py"), ("tracking", "fit.py"))),
]


def transforms(count: int) -> np.ndarray:
    random = np.random.default_rng(4)
    answer = np.zeros((count, 4, 4))
    answer[:, :3] = random.normal(size=(count, 3, 4)) * 10.0 ** random.uniform(-4, 4, (count, 1, 1))
    answer[:, 3, 3] = 1.0
    return answer


def test_the_inverse_of_transforms() -> None:
    matrices = transforms(200)
    found = inverse_affine(matrices)
    np.testing.assert_allclose(found, np.linalg.inv(matrices), rtol=1e-7, atol=1e-12)
    np.testing.assert_array_equal(inverse_affine(matrices[3]), found[3])
    assert inverse_affine(matrices[3].astype(np.float32)).dtype == np.float64


def test_what_has_no_inverse_is_refused() -> None:
    with pytest.raises(np.linalg.LinAlgError):
        inverse_affine(np.diag([1.0, 0.0, 1.0, 1.0]))


def test_positive_definite_systems() -> None:
    random = np.random.default_rng(5)
    for size in (1, 3, 26, 90):
        rows = random.normal(size=(2 * size, size))
        matrix, right = rows.T @ rows + np.eye(size), random.normal(size=size)
        kept = right.copy()
        np.testing.assert_allclose(solved(matrix, right), np.linalg.solve(matrix, right), rtol=1e-9)
        np.testing.assert_array_equal(right, kept)


def test_nothing_beside_the_renderer_wakes_the_threads_of_openblas() -> None:
    waking = {"np.linalg.inv", "np.linalg.solve", "np.linalg.pinv"}
    trees = {path: ast.parse(path.read_text("utf-8")) for path in BESIDE_THE_RENDERER}
    found = {
        f"{path.name}:{node.lineno}"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) in waking
    }
    assert len(trees) > 100 and not found
