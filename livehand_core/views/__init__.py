"""Views of avatars as pictures and videos: ``livehand render``, and the functions behind it.

``hands`` and ``cameras`` say what moves, ``shots`` makes frames of them, ``render`` writes them to a ``target``.
"""
