"""Motion files: AMASS-like ``.npz``, MANO parameters, InterHand2.6M JSON. NumPy only; Blender calls it.

>>> motion = read_motion("take.npz", ReadOptions(up="y"))  # doctest: +SKIP
>>> write_motion("take.json", [motion.sequence], WriteOptions(flat_mean=False))  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import found_later
from .convention import Motion, ReadOptions, UpAxis, WriteOptions

if TYPE_CHECKING:
    from .files import read_motion, write_motion

__all__ = ["Motion", "ReadOptions", "UpAxis", "WriteOptions", "read_motion", "write_motion"]

# A capture's poses need the conventions alone; the readers of every format would make the add-on slow to switch on.
__getattr__ = found_later(__name__, {"read_motion": ".files", "write_motion": ".files"})
