"""Blender in a real window, driven by mouse and keys and judged by what the screen shows: used by tests/gui.

``machine`` finds a Blender, ``display`` gives it a screen, a mouse and a camera, ``window`` starts it with the built
extension, ``driver`` and ``steps`` run inside Blender, ``look`` judges pictures. Nothing here imports bpy but ``steps``
and ``driver``.
"""
