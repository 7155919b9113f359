"""The published pipeline written again, plainly and in float64: loops over arrays, nothing shared with the package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.ndimage import maximum_filter, minimum_filter

Weights = Mapping[str, np.ndarray]


def encode(x: np.ndarray, frequencies: int) -> np.ndarray:
    parts = [x]
    for level in range(frequencies):
        parts += [np.sin(2.0**level * x), np.cos(2.0**level * x)]
    return np.concatenate(parts, axis=-1)


def look_up(texture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """(S, S, C) texture, row by v, at (n, 2) places: between four texels' centres, or the border's."""
    side, answer = len(texture), np.zeros((len(uv), texture.shape[2]))
    for i, (u, v) in enumerate(uv):
        x, y = (min(max(value * side - 0.5, 0.0), side - 1.0) for value in (u, v))
        for row in {int(y), min(int(y) + 1, side - 1)}:
            for column in {int(x), min(int(x) + 1, side - 1)}:
                answer[i] += (1.0 - abs(x - column)) * (1.0 - abs(y - row)) * texture[row, column]
    return answer


def layers(weights: Weights, start: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(n, C + 1) raw values of the first layer's input and the encoded views, by the checkpoint's own names."""

    def linear(name: str, x: np.ndarray) -> np.ndarray:
        return x @ weights[f"{name}.weight"].astype(np.float64).T + weights[f"{name}.bias"]

    hidden = start
    depth = sum(name.startswith("pts_linears") and name.endswith("weight") for name in weights)
    for index in range(depth):
        hidden = np.maximum(linear(f"pts_linears.{index}", hidden), 0.0)
        if index == 4 and depth > 5:
            hidden = np.concatenate([start, hidden], axis=-1)
    sigma = linear("alpha_linear", hidden)
    view = np.maximum(linear("views_linears.0", np.concatenate([linear("feature_linear", hidden), seen], axis=-1)), 0.0)
    return np.concatenate([linear("rgb_linear", view), sigma], axis=-1)


def field(weights: Weights, points: np.ndarray, views: np.ndarray, latent: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """(n, 33) raw values of (n, 3) points and unit views, by the checkpoint's own names."""
    constant = np.tile(np.concatenate([latent, pose]), (len(points), 1))
    return layers(weights, np.concatenate([encode(points, 10), constant], axis=-1), encode(views, 4))


def avatar_field(
    state: Weights, sizes: Any, points: np.ndarray, views: np.ndarray, latent: np.ndarray, pose: np.ndarray
) -> np.ndarray:
    """The same of (n, 3) points, or (n, 6) with normals, by an avatar file's names, with all that it adds.

    ``sizes`` has the attributes of a FieldConfig.
    """
    inputs = [encode(points[:, :3] * [1.0, 1.0, sizes.distance_scale], sizes.position_frequencies)]
    if sizes.normal_frequencies:
        inputs.append(encode(points[:, 3:], sizes.normal_frequencies))
    inputs += [look_up(state[f"textures.{index}"], points[:, :2]) for index in range(len(sizes.texture_sizes))]
    inputs.append(np.tile(np.concatenate([latent, pose]), (len(points), 1)))
    names = {"density": "alpha_linear", "feature": "feature_linear", "view": "views_linears.0", "colour": "rgb_linear"}
    names |= {f"layers.{index}": f"pts_linears.{index}" for index in range(sizes.depth)}
    kinds = ("weight", "bias")
    weights = {f"{theirs}.{kind}": state[f"{ours}.{kind}"] for ours, theirs in names.items() for kind in kinds}
    raw = layers(weights, np.concatenate(inputs, axis=-1), encode(views, sizes.view_frequencies))
    raw[:, -1] *= sizes.density_scale
    return raw


def integrate(
    raw: np.ndarray, depths: np.ndarray, lengths: np.ndarray, last_interval: float = 1e10
) -> tuple[np.ndarray, ...]:
    """Features, opacity, depth, weights of (R, S, 33) raw values."""
    features, opacity, expected = np.zeros((len(raw), raw.shape[2] - 1)), np.zeros(len(raw)), np.zeros(len(raw))
    weights = np.zeros(depths.shape)
    for ray in range(len(raw)):
        transmittance = 1.0
        for i in range(depths.shape[1]):
            step = depths[ray, i + 1] - depths[ray, i] if i + 1 < depths.shape[1] else last_interval
            alpha = 1.0 - np.exp(-step * lengths[ray] * max(raw[ray, i, -1], 0.0))
            weights[ray, i] = transmittance * alpha
            transmittance *= 1.0 - alpha + 1e-10
            features[ray] += weights[ray, i] / (1.0 + np.exp(-raw[ray, i, :-1]))
        opacity[ray], expected[ray] = weights[ray].sum(), (weights[ray] * depths[ray]).sum()
    return features, opacity, expected, weights


def importance_depths(depths: np.ndarray, weights: np.ndarray, count: int) -> np.ndarray:
    answer = []
    for t, w in zip(depths, weights, strict=True):
        middle = 0.5 * (t[1:] + t[:-1])
        density = w[1:-1] + 1e-5
        steps = np.concatenate([[0.0], np.cumsum(density / density.sum())])
        answer.append(np.sort(np.concatenate([t, np.interp(np.linspace(0.0, 1.0, count), steps, middle)])))
    return np.array(answer)


def depth_image(vertices: np.ndarray, faces: np.ndarray, origin: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """(h, w) smallest t of origin + t direction on any triangle (Moeller and Trumbore), infinity without one."""
    best = np.full(directions.shape[:2], np.inf)
    for a, b, c in vertices[faces]:
        ab, ac = b - a, c - a
        p = np.cross(directions, ac)
        determinant = p @ ab
        with np.errstate(divide="ignore", invalid="ignore"):
            u = p @ (origin - a) / determinant
            q = np.cross(origin - a, ab)
            v = directions @ q / determinant
            t = (ac @ q) / determinant
            hit = (u >= 0.0) & (v >= 0.0) & (u + v <= 1.0) & (t > 1e-3)
        best = np.where(hit & (t < best), t, best)
    return best


def nearest(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nearest face and nearest point in it, by projecting on the plane and on the three edges of every triangle."""
    best, face_index, closest = np.full(len(points), np.inf), np.zeros(len(points), int), np.zeros_like(points)

    def offer(index: int, candidates: np.ndarray, valid: np.ndarray) -> None:
        distance = np.where(valid, np.linalg.norm(points - candidates, axis=1), np.inf)
        better = distance < best - 1e-12
        best[better], face_index[better], closest[better] = distance[better], index, candidates[better]

    for index, corners in enumerate(vertices[faces]):
        normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
        foot = points - np.outer((points - corners[0]) @ normal, normal) / (normal @ normal)
        inside = np.ones(len(points), bool)
        for i in range(3):
            a, b = corners[i], corners[(i + 1) % 3]
            inside &= np.cross(b - a, foot - a) @ normal >= 0.0
            along = np.clip((points - a) @ (b - a) / ((b - a) @ (b - a)), 0.0, 1.0)
            offer(index, a + along[:, None] * (b - a), np.ones(len(points), bool))
        offer(index, foot, inside)
    return face_index, closest


def canonical(
    points: np.ndarray, vertices: np.ndarray, faces: np.ndarray, face_uv: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(n, 3) u, v, d and (n,) face, sign by the face's normal."""
    face, closest = nearest(points, vertices, faces)
    answer = np.zeros((len(points), 3))
    for i, (index, c) in enumerate(zip(face, closest, strict=True)):
        corners = vertices[faces[index]]
        barycentric = np.linalg.lstsq(np.vstack([corners.T, np.ones(3)]), np.append(c, 1.0), rcond=None)[0]
        answer[i, :2] = barycentric @ face_uv[index]
        normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
        answer[i, 2] = np.sign((points[i] - c) @ normal) * np.sqrt(((points[i] - c) ** 2).sum() + 1e-8)
    return answer, face


def _convolve(image: np.ndarray, kernel: np.ndarray, pad: int) -> np.ndarray:
    """(I, h, w) * (O, I, k, k), correlation."""
    padded = np.pad(image, ((0, 0), (pad, pad), (pad, pad)))
    size = kernel.shape[-1]
    height, width = padded.shape[1] - size + 1, padded.shape[2] - size + 1
    answer = np.zeros((len(kernel), height, width))
    for y in range(size):
        for x in range(size):
            answer += np.einsum("oi,ihw->ohw", kernel[:, :, y, x], padded[:, y : y + height, x : x + width])
    return answer


_LOW_PASS = np.outer([1.0, 3.0, 3.0, 1.0], [1.0, 3.0, 3.0, 1.0]) / 64.0 * 4.0


def _filter(image: np.ndarray) -> np.ndarray:
    return np.stack([_convolve(channel[None], _LOW_PASS[None, None], 0)[0] for channel in image])


def baked(weights: Weights) -> dict[str, np.ndarray]:
    """A checkpoint's modulated super-resolution as ordinary convolutions, by an avatar file's names."""

    def style(name: str) -> np.ndarray:
        matrix, bias = weights[f"{name}.affine.weight"].astype(np.float64), weights[f"{name}.affine.bias"]
        return (matrix / np.sqrt(45.0)) @ np.ones(45) + bias

    state = {}
    for block in (0, 1):
        for index in (0, 1):
            name = f"block{block}.conv{index}"
            kernel = weights[f"{name}.weight"].astype(np.float64) * style(name)[None, :, None, None]
            kernel = kernel / np.sqrt((kernel**2).sum(axis=(1, 2, 3), keepdims=True) + 1e-8)
            state |= {f"conv{block}{index}.weight": kernel, f"conv{block}{index}.bias": weights[f"{name}.bias"]}
        name = f"block{block}.torgb"
        kernel = weights[f"{name}.weight"].astype(np.float64) * style(name)[None, :, None, None]
        state |= {f"colour{block}.weight": kernel / np.sqrt(kernel.shape[1])}
        state |= {f"colour{block}.bias": weights[f"{name}.bias"]}
    return state


def upsample(state: Weights, features: np.ndarray, image: np.ndarray, factor: int) -> np.ndarray:
    """(F, h, w) features and their (3 or 4, h, w) image -> (3 or 4, factor h, factor w), by an avatar file's names."""

    def layer(name: str, x: np.ndarray, up: bool) -> np.ndarray:
        kernel = state[f"{name}.weight"]
        if up:
            spread = np.zeros((len(x), 2 * x.shape[1] - 1, 2 * x.shape[2] - 1))
            spread[:, ::2, ::2] = x
            x = _filter(np.pad(_convolve(spread, kernel[:, :, ::-1, ::-1], 2), ((0, 0), (1, 1), (1, 1))))
        else:
            x = _convolve(x, kernel, 1)
        x = x + state[f"{name}.bias"][:, None, None]
        return np.clip(np.where(x > 0.0, x, 0.2 * x) * np.sqrt(2.0), -256.0, 256.0)

    def head(name: str, x: np.ndarray) -> np.ndarray:
        answer = np.einsum("oi,ihw->ohw", state[f"{name}.weight"][:, :, 0, 0], x)
        return np.clip(answer + state[f"{name}.bias"][:, None, None], -256.0, 256.0)

    def twice(image: np.ndarray) -> np.ndarray:
        spread = np.zeros((len(image), 2 * image.shape[1], 2 * image.shape[2]))
        spread[:, ::2, ::2] = image
        return _filter(np.pad(spread, ((0, 0), (2, 1), (2, 1))))

    x = layer("conv00", features, factor == 4)
    if factor == 4:
        image = twice(image)
    x = layer("conv01", x, False)
    image = image + head("colour0", x)
    x = layer("conv11", layer("conv10", x, True), False)
    return twice(image) + head("colour1", x)


def super_resolve(weights: Weights, features: np.ndarray, factor: int) -> np.ndarray:
    """(32, h, w) -> (3, factor h, factor w), by the checkpoint's own names, modulation and all."""
    return upsample(baked(weights), features, features[:3], factor)


def slope(
    function: Callable[..., float], arguments: Mapping[str, np.ndarray], name: str, direction: np.ndarray, step: float
) -> float:
    """How fast a function grows when one of its arguments moves along a direction: a central difference."""
    ends = [function(**{**arguments, name: arguments[name] + sign * step * direction}) for sign in (1.0, -1.0)]
    return (ends[0] - ends[1]) / (2.0 * step)


def frame(case: dict[str, Any], checkpoint: dict[str, Any], coordinates: str) -> dict[str, np.ndarray]:
    """Every stage of a case, as its file holds them."""

    def arrays(state: Mapping[str, Any]) -> dict[str, np.ndarray]:
        return {name: value.numpy() for name, value in state.items()}

    factor, samples, focal = case["sr_factor"], case["n_samples"], case["focal"] / case["sr_factor"]
    width, height = case["width"] // factor, case["height"] // factor
    matrix = case["camera_to_world"].astype(np.float64)
    i, j = np.meshgrid(np.arange(width), np.arange(height))
    local = np.stack([(i - width / 2) / focal, -(j - height / 2) / focal, -np.ones_like(i, float)], axis=-1)
    directions, origin = local @ matrix[:3, :3].T, matrix[:3, 3]
    vertices = case["vertices"].astype(np.float64)
    depth = depth_image(vertices, case["faces"], origin, directions)
    near = minimum_filter(depth, 3, mode="constant", cval=np.inf) - 0.01
    far = maximum_filter(np.where(np.isfinite(depth), depth, -np.inf), 3, mode="constant", cval=-np.inf) + 0.01
    valid = near < far
    stages: dict[str, Any] = {
        "bounds": np.where(valid[..., None], np.stack([near, far, near], axis=-1), np.nan),
        "ray_origins": np.broadcast_to(origin, directions.shape),
        "ray_directions": directions,
    }
    rays = directions[valid]
    lengths = np.linalg.norm(rays, axis=1)
    fraction = np.linspace(0.0, 1.0, samples)
    t = near[valid][:, None] * (1 - fraction) + far[valid][:, None] * fraction

    def evaluate(state: Mapping[str, Any], t: np.ndarray) -> np.ndarray:
        points = (origin + rays[:, None] * t[..., None]).reshape(-1, 3)
        views = np.repeat(rays / lengths[:, None], t.shape[1], axis=0)
        positions = points
        stages.update(points=points, view_directions=views)
        if coordinates == "uvd":
            positions, stages["face_index"] = canonical(points, vertices, case["faces"], case["face_uv"])
            stages.update(uv=positions[:, :2], signed_distance=positions[:, 2:])
        stages["raw"] = field(
            arrays(state), positions, views, case["latent"].reshape(-1), case["full_pose"].reshape(-1)
        )
        return stages["raw"].reshape(*t.shape, -1)

    result = integrate(evaluate(checkpoint["network_fn_state_dict"], t), t, lengths)
    if "network_fine_state_dict" in checkpoint:
        t = importance_depths(t, result[3], case["n_importance"])
        result = integrate(evaluate(checkpoint["network_fine_state_dict"], t), t, lengths)
    features, opacity, expected = np.zeros((height, width, 32)), np.zeros((height, width)), np.zeros((height, width))
    features[valid], opacity[valid], expected[valid] = result[:3]
    high = super_resolve(arrays(checkpoint["sr_module_state_dict"]), features.transpose(2, 0, 1), factor)
    stages.update(feature_map=features, opacity=opacity, depth=expected, rgb_low=features[..., :3])
    stages["rgb_high"] = high.transpose(1, 2, 0)
    return stages


def upsampled_opacity(opacity: np.ndarray, factor: int, offset: float) -> np.ndarray:
    """(h, w) -> (factor h, factor w): what the low rays, ``offset`` inside their pixels, say at each high pixel's ray.

    High pixel I and low pixel i look the same way where factor (i + offset) = I + offset.
    """
    height, width = opacity.shape
    answer = np.zeros((height * factor, width * factor))
    for row in range(height * factor):
        for column in range(width * factor):
            y = min(max((row + offset) / factor - offset, 0.0), height - 1.0)
            x = min(max((column + offset) / factor - offset, 0.0), width - 1.0)
            for i in {int(y), min(int(y) + 1, height - 1)}:
                for j in {int(x), min(int(x) + 1, width - 1)}:
                    answer[row, column] += (1.0 - abs(y - i)) * (1.0 - abs(x - j)) * opacity[i, j]
    return answer
