"""The parts of ``scripts/build_hand.py``: anatomy, distance field, remeshing, rigging, unwrapping, textures."""
