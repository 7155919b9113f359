"""What shading asks of a posed mesh's vertices: their normals and tangents, and a sphere around them."""

from __future__ import annotations

import numpy as np

from ..compiling import compiled, inner


@inner
def _unit(values, vertex):
    x, y, z = values[vertex, 0], values[vertex, 1], values[vertex, 2]
    scale = 1.0 / max(np.sqrt(x * x + y * y + z * z), 1e-12)
    values[vertex, 0], values[vertex, 1], values[vertex, 2] = x * scale, y * scale, z * scale


@compiled
def vertex_frames(vertices, faces, along_u, normals, tangents):
    """Fill (V, 3) float64 unit normals, by the area of the triangles around, and unit tangents at right angles to them.

    Args:
        vertices: (V, 3) float32; faces: (F, 3) int32.
        along_u: (F, 2) float32, see ``ShadedMesh``.
    """
    normals[:], tangents[:] = 0.0, 0.0
    one, two, across, u = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    for face in range(len(faces)):
        a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
        for k in range(3):
            one[k] = np.float64(vertices[b, k]) - np.float64(vertices[a, k])
            two[k] = np.float64(vertices[c, k]) - np.float64(vertices[a, k])
            u[k] = along_u[face, 0] * one[k] + along_u[face, 1] * two[k]
        for k in range(3):
            across[k] = one[(k + 1) % 3] * two[(k + 2) % 3] - one[(k + 2) % 3] * two[(k + 1) % 3]
        size = np.sqrt(across[0] ** 2 + across[1] ** 2 + across[2] ** 2)
        scale = size / max(np.sqrt(u[0] ** 2 + u[1] ** 2 + u[2] ** 2), 1e-12)
        for corner in range(3):
            vertex = faces[face, corner]
            for k in range(3):
                normals[vertex, k] += across[k]
                tangents[vertex, k] += scale * u[k]
    for vertex in range(len(vertices)):
        _unit(normals, vertex)
        along = 0.0
        for k in range(3):
            along += tangents[vertex, k] * normals[vertex, k]
        for k in range(3):
            tangents[vertex, k] -= along * normals[vertex, k]
        _unit(tangents, vertex)


@compiled
def sphere_around(vertices):
    """Middle of the (V, 3) vertices' box, and the largest distance from there."""
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for vertex in range(len(vertices)):
        for axis in range(3):
            number = np.float64(vertices[vertex, axis])
            low[axis], high[axis] = min(low[axis], number), max(high[axis], number)
    middle, largest = 0.5 * (low + high), 0.0
    for vertex in range(len(vertices)):
        x, y, z = vertices[vertex, 0] - middle[0], vertices[vertex, 1] - middle[1], vertices[vertex, 2] - middle[2]
        largest = max(largest, x * x + y * y + z * z)
    return middle, np.sqrt(largest)
