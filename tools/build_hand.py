"""Builds the built-in hand and writes it to ``livehand_core/assets``: ``python tools/build_hand.py``.

Our own geometry, licence CC0-1.0, deterministic. Rest pose as MANO's right hand: fingers along -x, palm facing -y,
thumb towards +z, wrist joint at the origin, metres; the wrist is open at x = 34 mm. Needs bpy (unwrapping, decimation)
and scikit-image (marching cubes). About a minute.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from hand_builder import remesh, rigging, texture, unwrap  # noqa: E402
from hand_builder.sizes import edge_length  # noqa: E402

from livehand_core.files import atomic_path  # noqa: E402
from livehand_core.hand import builtin  # noqa: E402


def build_proxy() -> dict[str, np.ndarray]:
    """The arrays of the proxy hand, as ``builtin`` reads them."""
    import bpy

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    vertices, faces = remesh.open_wrist(*remesh.extract(0.002))
    vertices, faces = remesh.decimate(vertices, faces, 5000)
    vertices, faces = remesh.remesh(vertices, faces, edge_length, rounds=8)
    weights = rigging.skinning_weights(vertices, faces)
    uv, uv_faces = unwrap.unwrap(vertices, faces, unwrap.dorsal_faces(vertices, faces, weights))
    mean, components = rigging.pose_statistics()
    return {
        "v_template": vertices.astype(np.float32),
        "faces": faces.astype(np.uint16),
        "weights": weights.astype(np.float16),
        "shapedirs": rigging.shape_directions(vertices, weights).astype(np.float16),
        "posedirs": rigging.pose_correctives(vertices, weights).astype(np.float16),
        "joint_regressor": rigging.joint_regressor(vertices, weights).astype(np.float32),
        "hands_mean": mean.astype(np.float32),
        "hands_components": components.astype(np.float32),
        "uv": uv.astype(np.float32),
        "uv_faces": uv_faces.astype(np.uint16),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=builtin.ASSETS, help="folder to write to")
    parser.add_argument("--textures-only", action="store_true", help="keep the proxy, write the detail maps again")
    args = parser.parse_args()
    start = time.monotonic()
    args.out.mkdir(parents=True, exist_ok=True)
    if not args.textures_only:
        with atomic_path(args.out / builtin.PROXY_FILE) as temporary:
            np.savez_compressed(temporary, **build_proxy())
        print(f"proxy: {time.monotonic() - start:.0f} s")
    data = builtin.read_hand(args.out / builtin.PROXY_FILE)
    texture.write_flesh(data, args.out)
    texture.write_planes(data, args.out)
    for path in sorted(args.out.glob("hand*")):
        print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")
    print(f"{data.vertex_count} vertices, {len(data.faces)} triangles, {time.monotonic() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
