"""The parts of ``tools/build_hand.py``: anatomy, distance field, remeshing, rigging, unwrapping, textures."""
