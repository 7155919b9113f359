"""The radiance field on a GPU: its weights in the shader's order, and a chunk's march."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...networks.config import FieldConfig, encoded_size
from .device import Gpu, packed
from .shaders import Constant

THREADS = 128
"""Of a workgroup that marches a tile of rays."""

State = Mapping[str, np.ndarray]


class Field:
    """The weights of a field.

    Args:
        gpu: where.
        config: sizes.
        state: the avatar's float32 arrays.
        residuals: (identities, S, S, C) what identities add to each texture; none where none adds anything.
        half: keep weights and activations in float16; sums stay float32.

    Attributes:
        tile: rays of a workgroup.
        colours, views: groups of four channels of the features and of the view layer.
        constants: of the shaders that read ``weights``.
        weights: matrices, view directions' part, textures, groups of four.
    """

    def __init__(
        self, gpu: Gpu, config: FieldConfig, state: State, residuals: Sequence[np.ndarray], half: bool
    ) -> None:
        self.gpu, self.config, self.state = gpu, config, state
        self._dtype = np.dtype(np.float16 if half else np.float32)
        self._residuals = residuals
        self._shares = np.zeros(0)
        sections = _matrices(config, state)
        self._textures = [texels(state[f"textures.{index}"]) for index in range(len(config.texture_sizes))]
        starts = np.cumsum([0, *(len(rows) for rows in sections.values())])
        self._texture_at = np.cumsum([starts[-1], *(len(texels) for texels in self._textures)])[:-1]
        self.colours, self.views = fours(config.feature_channels), fours(config.view_width)
        self.tile = tile_rays(config, gpu.limits["max-compute-workgroup-storage-size"], self._dtype.itemsize)
        self.constants = self._constants({name: int(at) for name, at in zip(sections, starts[:-1], strict=True)}, half)
        self.weights = gpu.upload(np.concatenate([*sections.values(), *self._textures]).astype(self._dtype))

    def _constants(self, places: dict[str, int], half: bool) -> dict[str, Constant]:
        config = self.config
        hidden, view, colour = fours(config.width), self.views, self.colours
        values: dict[str, Constant] = {
            "real": "f16" if half else "f32",
            "THREADS": THREADS,
            "TILE": self.tile,
            "PITCH4": _pitch(config),
            "AXES": config.coordinate_count,
            "STRIDE": stride(config),
            "VIEW_FREQUENCIES": config.view_frequencies,
            "PLACE_ENCODED": encoded_size(3, config.position_frequencies),
            "ENCODED": config.encodings_size,
            "LOCAL_AT": config.encodings_size - config.local_size,
            "ENCODED4": fours(config.encodings_size),
            "INPUTS4": inputs(config),
            "LAYERS": config.depth,
            "HIDDEN4": hidden,
            "VIEW4": view,
            "C4": colour,
            "TEXEL4": fours(config.texture_channels),
            # An array needs an element.
            "TEXTURE_AT": tuple(int(at) for at in self._texture_at) or (0,),
            "TEXTURE_SIZE": config.texture_sizes or (1,),
            "VIEW_LAYER_AT": places["view_layer"],
            "COLOUR_AT": places["colour"],
            "DENSITY_AT": places["density"],
            "VIEW_AT": places["directions"],
        }
        for name, columns in (("hidden", hidden), ("view", view), ("colour", colour)):
            values |= {f"{name}_COLUMNS": columns, f"{name}_ROWS": rows_a_thread(self.tile, columns)}
        return values

    def parameters(self, start: int, pose: np.ndarray, code: np.ndarray | None, threshold: float) -> bytes:
        """Of one chunk's march.

        Args:
            start: its first ray.
            pose: (pose_size,) angles; code: (latent_size,) or None. Both enter the first layer as its bias.
            threshold: transmittance at which a ray ends.
        """
        config, state = self.config, self.state
        biases = [_constant_bias(config, state, pose, code)]
        biases += [state[f"layers.{index}.bias"] for index in range(1, config.depth)]
        return packed(
            start=start,
            threshold=float(threshold),
            distance_scale=float(config.distance_scale),
            density_scale=float(config.density_scale),
            density_bias=state["density.bias"],
            unused=np.zeros(3),
            biases=np.concatenate([_filled(bias) for bias in (*biases, state["colour.bias"])]),
        )

    def show(self, shares: np.ndarray) -> None:
        """Let the textures be those of an identity or a blend; nothing moves while it stays the same."""
        if not self._residuals or np.array_equal(shares, self._shares):
            return
        # Those of neither identity, should one of the textures not come about.
        self._shares = np.zeros(0)
        weights = shares.astype(np.float32)
        for at, shared, residual in zip(self._texture_at, self._textures, self._residuals, strict=True):
            own = shared + texels(np.tensordot(weights, residual, axes=1))
            self.gpu.upload(own.astype(self._dtype), self.weights, int(at) * 4 * self._dtype.itemsize)
        self._shares = np.array(shares)


def tile_rays(config: FieldConfig, storage: int, itemsize: int) -> int:
    """Rays of a workgroup: as many as its memory holds, up to 32; 0 where its threads cannot hold a layer.

    Args:
        config: of the field.
        storage: bytes of a workgroup's memory.
        itemsize: bytes of an activation.
    """
    for rays in (32, 16, 8, 4):
        fits = rays * (4 * _pitch(config) * itemsize + 8) + 16 <= storage
        if fits and rays * 4 <= THREADS and max(fours(config.width), fours(config.view_width)) <= THREADS:
            return rays
    return 0


def rows_a_thread(tile: int, columns: int) -> int:
    """Rows of a tile that a thread works on, a power of two, so that all threads together have them all."""
    rows = 1
    while tile // rows > THREADS // columns:
        rows *= 2
    return rows


def stride(config: FieldConfig) -> int:
    """Numbers of a sample: its position, its depth, and the length that it stands for."""
    return config.coordinate_count + 2


def inputs(config: FieldConfig) -> int:
    """Groups of four inputs of the first layer: the encodings', then each texture's."""
    return fours(config.encodings_size) + len(config.texture_sizes) * fours(config.texture_channels)


def fours(channels: int) -> int:
    """Groups of four that hold so many channels."""
    return -(-channels // 4)


def _pitch(config: FieldConfig) -> int:
    """Groups of four channels that a row of activations has room for."""
    return max(inputs(config), fours(config.width), fours(config.view_width))


def _matrices(config: FieldConfig, state: State) -> dict[str, np.ndarray]:
    """Name -> (N, 4) rows: of each input all outputs, in groups of four."""
    width = config.width
    view = state["view.weight"].astype(np.float64)
    first = state["layers.0.weight"][:, : config.position_size]
    encodings, texels = first[:, : config.encodings_size], first[:, config.encodings_size :]
    spread = _spread(texels.T.reshape(len(config.texture_sizes), config.texture_channels, width))
    layers = [_rows(np.concatenate([_tall(encodings.T), spread]))]
    layers += [_rows(_tall(state[f"layers.{index}.weight"].T)) for index in range(1, config.depth)]
    bias = view[:, :width] @ state["feature.bias"] + state["view.bias"]
    return {
        "layers": np.concatenate(layers),
        # view(feature(h)) = (Wv Wf) h + Wv bf: one matrix in place of two.
        "view_layer": _rows(_tall((view[:, :width] @ state["feature.weight"]).T)),
        "colour": _rows(_tall(state["colour.weight"].T)),
        "density": _rows(state["density.weight"]),
        "directions": _rows(np.concatenate([view[:, width:].T, bias[None]])),
    }


def _spread(texels: np.ndarray) -> np.ndarray:
    """(T, C, W) rows of each texture's channels, filled up to fours with zeros: (T C', W)."""
    missing = -texels.shape[1] % 4
    return np.pad(texels, ((0, 0), (0, missing), (0, 0))).reshape(-1, texels.shape[2])


def _tall(matrix: np.ndarray) -> np.ndarray:
    """With rows of zeros up to a multiple of four."""
    return np.pad(matrix, ((0, -len(matrix) % 4), (0, 0)))


def _rows(matrix: np.ndarray) -> np.ndarray:
    """(I, O) -> (I ceil(O / 4), 4) float32."""
    wide = np.pad(matrix, ((0, 0), (0, -matrix.shape[1] % 4)))
    return wide.reshape(-1, 4).astype(np.float32)


def texels(texture: np.ndarray) -> np.ndarray:
    """(S, S, C) -> (S S ceil(C / 4), 4) float32."""
    return _rows(texture.reshape(-1, texture.shape[2]))


def _filled(bias: np.ndarray) -> np.ndarray:
    return np.pad(bias, (0, -len(bias) % 4))


def _constant_bias(config: FieldConfig, state: State, pose: np.ndarray, code: np.ndarray | None) -> np.ndarray:
    """(W,) the first layer's bias plus its answer to pose and identity."""
    constant = np.asarray(pose, dtype=np.float64)
    if config.latent_size:
        own = np.zeros(config.latent_size) if code is None else code
        constant = np.concatenate([np.asarray(own, dtype=np.float64), constant])
    weight = state["layers.0.weight"][:, config.position_size :].astype(np.float64)
    answer: np.ndarray = weight @ constant + state["layers.0.bias"]
    return answer
