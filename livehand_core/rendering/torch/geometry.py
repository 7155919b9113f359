"""Depth, normal and canonical passes of one hand at the image's own resolution."""

from __future__ import annotations

import torch

from ...framing import Box
from ...surface import SignMode, canonical_coordinates, rasterise
from ..view import View
from .proxy import Proxy
from .rays import camera_rays

Geometry = tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]


def geometry_passes(
    view: View, box: Box, image: torch.Tensor, proxy: Proxy, sign: SignMode, passes: frozenset[str]
) -> Geometry:
    """What the proxy mesh says about each drawn pixel.

    Depth and normals come from the proxy rasterised at full resolution, which is sharper than the field's expected
    depth; pixels that are drawn beyond its silhouette take the field's depth and the nearest surface point's normal.
    The canonical pass looks up the point at the field's depth, so its d shows how far the avatar leaves the proxy.

    Args:
        view: the avatar's frame.
        box: the pixels, (h, w).
        image: (h, w, 6) premultiplied RGBA, weighted depth, weight.
        proxy: the posed mesh.
        sign: of d.
        passes: which of depth, normal and uvd are needed.

    Returns:
        depth (h, w) in the world, infinity where alpha is 0; normal and uvd (h, w, 3) or None.
    """
    alpha, weight = image[..., 3], image[..., 5]
    drawn = alpha > 0.0
    camera = box.of(view.camera)
    centre = float((view.camera.world_to_camera @ [*proxy.vertices.mean(dim=0).tolist(), 1.0])[2])
    field_depth = torch.where(weight > 0.0, image[..., 4] / weight.clamp(min=1e-12), centre)
    if not passes & {"depth", "normal", "uvd"}:
        return torch.where(drawn, field_depth * view.scale, torch.inf), None, None

    raster = rasterise(proxy.vertices, proxy.faces, camera)
    depth = torch.where(raster.face >= 0, raster.depth, field_depth)
    rows, columns = torch.nonzero(drawn, as_tuple=True)
    rays = camera_rays(camera, columns, rows)
    normal = uvd = None
    if "normal" in passes:
        face, barycentric = raster.face[drawn], raster.barycentric[drawn]
        beyond = face < 0
        nearest = proxy.tree.nearest(rays.at(depth[drawn][:, None])[:, 0][beyond])
        face[beyond], barycentric[beyond] = nearest.face, nearest.barycentric
        corner = proxy.normals.vertices[proxy.faces[face]]
        local = torch.nn.functional.normalize((barycentric[..., None] * corner).sum(dim=1), dim=-1)
        # The inside of the open wrist is seen from behind; the face decides, as smooth normals turn at silhouettes.
        away = (proxy.normals.faces[face] * rays.directions).sum(dim=-1, keepdim=True) > 0.0
        turn = torch.tensor(view.normal_to_world, dtype=local.dtype, device=local.device)
        normal = image.new_zeros(*alpha.shape, 3)
        normal[drawn] = torch.where(away & ~beyond[:, None], -local, local) @ turn.T
    if "uvd" in passes:
        points = rays.at(field_depth[drawn][:, None])[:, 0]
        nearest = proxy.tree.nearest(points)
        uvd = image.new_zeros(*alpha.shape, 3)
        uvd[drawn] = canonical_coordinates(
            points, proxy.vertices, proxy.faces, proxy.face_uv, nearest, sign, proxy.normals
        )
        uvd[..., 2] *= view.scale
    return torch.where(drawn, depth * view.scale, torch.inf), normal, uvd
