"""Meshes that are drawn through an avatar of their own: what the renderer needs of each, and whether it still fits."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import bpy
import numpy as np

from livehand_core.avatars.arrays import read_arrays
from livehand_core.errors import AvatarError, HandModelError
from livehand_core.frames import HandInstance
from livehand_core.hand.data import ProxyModel
from livehand_core.hand.library import find_model
from livehand_core.hand.part import is_part, rest_differences
from livehand_core.hand.skinning import pose_joints

from .rigged import ARMATURE, RestShape, armature_of, heads, pose_of


def is_part_object(obj: Any) -> bool:
    """Whether the LiveHand engine draws a mesh through an avatar of its own."""
    # Asking for the group itself would store an empty one with every mesh.
    if obj is None or obj.type != "MESH" or not obj.is_property_set("livehand_part"):
        return False
    return bool(obj.livehand_part.avatar.strip())


def avatar_file(obj: Any) -> str:
    """The absolute path of a part's avatar."""
    return str(bpy.path.abspath(obj.livehand_part.avatar.strip(), library=obj.library))


def model_of_avatar(path: str) -> ProxyModel:
    """The model that an avatar of a part was trained on; the file is read once.

    Raises:
        AvatarError: it cannot be read, or is of a hand.
    """
    from livehand_core.avatars.metadata import resolve

    status = resolve(path).stat()
    return _model(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=16)
def _model(path: str, _changed: int, _size: int) -> ProxyModel:
    metadata = read_arrays(path).metadata
    if not is_part(metadata.hand_model):
        raise AvatarError(f"The avatar {metadata.name!r} is of a hand.", "Choose one that was made from this mesh.")
    return find_model(metadata.hand_model, metadata.side)


def part_instance(obj: Any, depsgraph: Any, holdout: bool) -> tuple[HandInstance, np.ndarray]:
    """An (evaluated) mesh as the renderer takes it, and the (J, 3) places of its joints in the world.

    Raises:
        AvatarError: the avatar cannot be read, or mesh or rest pose have changed since it was trained.
        PoseError: a pose that it cannot follow.
    """
    path, mesh = avatar_file(obj), obj.original
    model = model_of_avatar(path)
    armature = armature_of(mesh)
    check_rest(mesh, armature, model)
    size = RestShape.of(mesh, armature).size
    pose, scale = pose_of(armature.evaluated_get(depsgraph), model.joint_names, model.parents, size)
    return HandInstance(pose, path, scale, holdout=holdout), scale * pose_joints(model, pose)


def check_rest(mesh: Any, armature: Any, model: ProxyModel) -> None:
    """Raises AvatarError, naming what, where mesh or rest pose are not those that the avatar was trained on."""
    missing = [name for name in model.joint_names if name != ARMATURE and name not in armature.data.bones]
    found = [f"the armature lacks {', '.join(missing)}"] if missing else []
    try:
        rest = RestShape.of(mesh, armature)
    except HandModelError as error:
        raise AvatarError(error.message, error.remedy) from error
    if not found:
        found = rest_differences(rest.vertices, heads(armature, model.joint_names) * rest.size, model)
    if found:
        raise AvatarError(
            f"{mesh.name!r} is not what its avatar was trained on: {'; '.join(found)}.",
            "Undo the change, or make the avatar anew from the rigged mesh.",
        )
