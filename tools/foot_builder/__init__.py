"""The parts of ``tools/build_foot.py``: a foot's shape, its skin, its rig. Our own geometry, CC0-1.0."""
