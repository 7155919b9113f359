"""What light reaches a posed hand, found once a frame on the host: visibility, scattering, lamps (docs/method.md 1.12).

NumPy and kernels. Called by every room that draws relightable avatars, and by training.
"""
