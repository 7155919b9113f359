"""Fits that are learnt beside the field: pose, shape, the proxy's surface and cameras (docs/method.md 2.2).

The step's gradient of the samples' canonical coordinates goes on to the vertices of the proxy, what is nearest to each
sample staying so, and by the skinning to what poses it. Called by the trainer, and by the step through the model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import nn

from ..hand.data import HandData
from ..hand.model import axis_angle_to_matrix
from ..kernels.mesh.nearest import nearest_points
from ..kernels.mesh.proxy import PosedProxy, ProxyTopology
from ..poses import HandPose
from ..surface import vertex_normals
from . import input_kernels as kernels
from .pose_rows import hand_of, numbers_of
from .silhouettes import silhouette_fits

if TYPE_CHECKING:
    from .config import TrainingConfig
    from .devices import Devices
    from .views import HandMesh, TileRays, View

POSE_SPREADS = np.concatenate([np.full(3, 0.10), np.full(45, 0.15), np.full(3, 0.010)])
"""By which poses are counted: turn of the wrist, of the joints (radians), place (metres)."""

SHAPE_SPREAD, CAMERA_SPREADS = 0.7, np.concatenate([np.full(3, 0.01), np.full(3, 0.005)])
"""Betas; a camera's turn (radians) and place (metres)."""

OFFSET_SPREAD = 0.001
"""Metres of the proxy's offsets."""

LIMIT = 3.0
"""Spreads from the fit beyond which nothing is moved: skin that slides so far is another pose."""

SMOOTHNESS = 4.0
"""Weight of the mesh's Laplacian in what the offsets are smoothed by, twice: some three edges, about a centimetre."""


class Posed(NamedTuple):
    """A view's proxy as it is refined now, differentiable: (V, 3) vertices in its camera's world, (3, 3) the wrist's
    frame there, (48,) angles, (3,) the wrist's place."""

    vertices: torch.Tensor
    wrist: torch.Tensor
    angles: torch.Tensor
    place: torch.Tensor


class Refinement(nn.Module):
    """Corrections in units of their spreads, which begin at 0, stay within LIMIT and have a prior towards it.

    Attributes:
        pose: (poses, 51) turn, joint angles, place of each pose.
        shape: (identities, 10) betas of each identity.
        offsets: (V,) of the proxy along its normals, before they are smoothed.
        cameras: (cameras, 6) turn and place of each camera; the first stays.
        fits: (poses, 61) what they correct: the capture's poses and betas, or what the silhouettes made of them.
        given: the capture's poses; owners: number of a pose's identity, of those that are trained on.
        ground: (V,) metres of the surface that the run began with, another avatar's; 0 where it is the model's.
        live: whether they are moved now.
    """

    fits: torch.Tensor
    ground: torch.Tensor
    smoothing: torch.Tensor
    centre: torch.Tensor

    def __init__(self, poses: Sequence[HandPose], owners: Mapping[int, int], cameras: int, mesh: HandMesh) -> None:
        """``owners``: number of a pose's identity, of those that are trained on."""
        super().__init__()
        data = mesh.model.data
        assert isinstance(data, HandData), "parts are not refined"
        self.given, self.owners, self._data = tuple(poses), dict(owners), data
        identities, vertices = max(owners.values()) + 1, len(self._data.v_template)
        self.pose = nn.Parameter(torch.zeros(len(poses), 51, dtype=torch.float64))
        self.shape = nn.Parameter(torch.zeros(identities, 10, dtype=torch.float64))
        self.offsets = nn.Parameter(torch.zeros(vertices, dtype=torch.float64))
        self.cameras = nn.Parameter(torch.zeros(cameras, 6, dtype=torch.float64))
        for name, value in self.named_parameters():
            rows = value.shape[:1] if value.dim() == 2 else (1,)
            for moment in ("first", "second"):
                self.register_buffer(f"{moment}_{name}", torch.zeros_like(value))
            self.register_buffer(f"visits_{name}", torch.zeros(rows, dtype=torch.float64))
        self.register_buffer("fits", torch.tensor(np.stack([numbers_of(pose) for pose in poses])))
        self.register_buffer("centre", self.fits[:, 48:51].mean(dim=0))
        self.register_buffer("ground", torch.zeros_like(self.offsets))
        smoothing = _smoothing(mesh.topology.faces, vertices)
        self.register_buffer("smoothing", torch.tensor(smoothing), persistent=False)
        self.live = False

    def begin(
        self,
        views: Sequence[View],
        config: TrainingConfig,
        pool: ThreadPoolExecutor,
        devices: Devices,
        say: Callable[[str], None],
        with_shape: bool = True,
    ) -> None:
        """Bring the fits onto the masks' outlines, and every view onto its fit; see ``silhouettes``."""
        if config.refine_silhouettes:
            data = self._data.with_offsets(self.ground.cpu().numpy())
            self.fits.copy_(silhouette_fits(self.given, self.owners, views, data, pool, devices, say, with_shape))
        for view in views:
            self.place(view)

    def surface(self) -> torch.Tensor:
        """(V,) metres by which the rest mesh is moved along its normals."""
        return self.ground + OFFSET_SPREAD * (self.smoothing @ self.offsets)

    def hand(self, number: int, identity: int) -> torch.Tensor:
        """(61,) turn, joint angles, place and betas of a pose of an identity."""
        moved = self.fits[number, :51] + self.pose[number] * self.pose.new_tensor(POSE_SPREADS)
        return torch.cat([moved, self.fits[number, 51:] + SHAPE_SPREAD * self.shape[identity]])

    def posed(self, view: View) -> Posed:
        """The proxy of a view, float64, on the processor. A camera's correction moves the hand against it, about the
        hands' middle."""
        model, centre = view.mesh.model, self.centre.cpu()
        hand = self.hand(view.number, view.identity).cpu()
        angles = hand[:48]
        vertices, joints = model.pose(hand[None, 51:], angles.view(1, 16, 3), hand[None, 48:51], self.surface().cpu())
        change = self.cameras[view.camera_index].cpu() * torch.tensor(CAMERA_SPREADS)
        turn = axis_angle_to_matrix(change[:3])
        points = torch.cat([vertices[0], joints[0, :1]])
        moved = (points - centre) @ turn.T + centre + change[3:]
        wrist = turn @ axis_angle_to_matrix(angles[:3]) if view.wrist_frame else turn
        return Posed(moved[:-1], wrist, angles, moved[-1])

    @torch.no_grad()
    def place(self, view: View) -> None:
        """Give a view its proxy as it is now."""
        posed = self.posed(view)
        view.follow(*(value.float().cpu().numpy() for value in posed))

    def attached(self, view: View, rays: TileRays) -> TileRays:
        """The rays of a view, whose positions and directions are differentiable in what is refined."""
        posed = self.posed(view)
        wrist = posed.wrist.to(rays.directions)
        before = torch.from_numpy(view.wrist).to(wrist)
        world = rays.directions @ before.T
        points = rays.origins[:, None] + (rays.depths * rays.lengths[:, None])[..., None] * world[:, None]
        normals = vertex_normals(posed.vertices, view.mesh.model.faces) @ posed.wrist
        where = (points, view.mesh.topology)
        positions = _Canonical.apply(posed.vertices, normals, rays.positions, where)  # type: ignore[no-untyped-call]
        turned = world @ wrist
        # The same numbers as without refinement, to the last bit.
        return rays._replace(positions=positions, directions=rays.directions + (turned - turned.detach()))

    def prior(self, view: View, config: TrainingConfig) -> torch.Tensor:
        """What it costs that a view's fit is away from where it was, and the surface from smooth: their squares, where
        1 is a spread."""
        parts = [self.pose[view.number].square().sum(), self.shape[view.identity].square().sum()]
        if config.refine_cameras:
            parts.append(self.cameras[view.camera_index].square().sum())
        total = torch.stack(parts).sum() + config.refine_smoothness * self.offsets.square().mean()
        return config.refine_prior * total

    @torch.no_grad()
    def advance(self, rate: float, cameras: bool, noisy: bool = False) -> None:
        """One step of Adam on the parameters' gradients; poses, people and cameras without one stay, as do their
        moments.

        Args:
            rate: in spreads a step.
            cameras: whether cameras are moved.
            noisy: the gradients are of a part of an image, through a field that is still learning. Adam's step is near
                1 where a gradient is sure of its sign and some 0.2 where it is but noise, which would move fits that
                are right; its third power tells them apart.
        """
        for name, value in self.named_parameters():
            if value.grad is None or (name == "cameras" and not cameras):
                continue
            gradient = value.grad if value.dim() == 2 else value.grad[None]
            seen = gradient.abs().amax(dim=1) > 0.0
            first, second, visits = (getattr(self, f"{kind}_{name}") for kind in ("first", "second", "visits"))
            first, second = (moment.view_as(gradient) for moment in (first, second))
            visits += seen
            first[seen] = 0.9 * first[seen] + 0.1 * gradient[seen]
            second[seen] = 0.99 * second[seen] + 0.01 * gradient[seen] ** 2
            count = visits[seen, None]
            step = (first[seen] / (1.0 - 0.9**count)) / ((second[seen] / (1.0 - 0.99**count)).sqrt() + 1e-12)
            value.view_as(gradient)[seen] -= rate * (step**3 if noisy else step)
        self.constrain()

    @torch.no_grad()
    def constrain(self) -> None:
        """Hold the limits, and the first camera."""
        for value in self.parameters():
            value.clamp_(-LIMIT, LIMIT)
        self.cameras[0] = 0.0

    @torch.no_grad()
    def hands(self) -> list[HandPose]:
        """Each of the capture's poses as it is refined now; those that are not trained on as they were given."""
        answer = list(self.given)
        for number, identity in self.owners.items():
            answer[number] = hand_of(answer[number], self.hand(number, identity).cpu().numpy())
        return answer


class _Canonical(torch.autograd.Function):
    """Canonical positions (R, S, 6) that were found beforehand, as a function of the proxy's vertices and normals."""

    @staticmethod
    def forward(
        ctx: Any,
        vertices: torch.Tensor,
        normals: torch.Tensor,
        positions: torch.Tensor,
        where: tuple[torch.Tensor, ProxyTopology],
    ) -> torch.Tensor:
        ctx.save_for_backward(vertices, normals)
        ctx.side, ctx.where = positions[..., 2].sign(), where
        return positions.clone()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        (vertices, normals), (points, topology) = ctx.saved_tensors, ctx.where
        counts = gradient.abs().amax(dim=-1) > 0.0
        given, side, seen = (value[counts].double().cpu().numpy() for value in (gradient, ctx.side, points))
        proxy = vertices.cpu().numpy(), normals.cpu().numpy()
        sums = vertex_gradients(given, side, seen, *proxy, topology)
        return *(torch.from_numpy(value).to(vertices) for value in sums), None, None


def vertex_gradients(
    gradient: np.ndarray,
    side: np.ndarray,
    points: np.ndarray,
    vertices: np.ndarray,
    normals: np.ndarray,
    topology: ProxyTopology,
) -> tuple[np.ndarray, np.ndarray]:
    """What a gradient of canonical positions is for the proxy, what is nearest to each point staying so.

    Args:
        gradient: (K, 6) float64 of u, v, d and the normal.
        side, points: (K,) signs of d and (K, 3) samples.
        vertices, normals: (V, 3) float64 of the proxy, the normals in the frame of the positions'.

    Returns:
        (V, 3) of the vertices and of the normals.
    """
    face, weights, _ = nearest_points(PosedProxy.of(vertices, topology), points)
    sums = np.zeros_like(vertices), np.zeros_like(normals)
    kernels.positions_backward(
        np.ascontiguousarray(gradient),
        side,
        np.ascontiguousarray(points),
        face,
        weights,
        topology.faces,
        topology.neighbours,
        topology.face_uv,
        np.ascontiguousarray(vertices),
        np.ascontiguousarray(normals),
        *sums,
    )
    return sums


def _smoothing(faces: np.ndarray, vertices: int) -> np.ndarray:
    """(V, V) float64, rows of sum 1 and none below 0: (I + SMOOTHNESS L)^-1 of the mesh's Laplacian L, twice.

    The square of what it is applied to is the energy of the Laplacian of the outcome.
    """
    laplacian = np.zeros((vertices, vertices))
    for one, other in ((0, 1), (1, 2), (2, 0)):
        laplacian[faces[:, one], faces[:, other]] = laplacian[faces[:, other], faces[:, one]] = -1.0
    np.fill_diagonal(laplacian, -laplacian.sum(axis=1))
    once = np.linalg.inv(np.eye(vertices) + SMOOTHNESS * laplacian)
    answer: np.ndarray = once @ once
    return answer
