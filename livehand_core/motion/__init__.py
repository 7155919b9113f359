"""Motion files: AMASS-like ``.npz``, MANO parameters, InterHand2.6M JSON. NumPy only; Blender calls it.

>>> motion = read_motion("take.npz", ReadOptions(up="y"))  # doctest: +SKIP
>>> write_motion("take.json", [motion.sequence], WriteOptions(flat_mean=False))  # doctest: +SKIP
"""

from .convention import Motion, ReadOptions, UpAxis, WriteOptions
from .files import read_motion, write_motion

__all__ = ["Motion", "ReadOptions", "UpAxis", "WriteOptions", "read_motion", "write_motion"]
