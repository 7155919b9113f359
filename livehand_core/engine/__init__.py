"""The engine: one process that renders, and the client through which Blender speaks to it.

``client`` and what it imports need NumPy only; ``server`` and ``backend`` run in the engine's own interpreter.
"""
