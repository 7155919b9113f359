"""LiveHand's core: hand model, neural renderer, avatars, captures, training and the engine process.

Importing the package is light (NumPy only); the rooms that need torch load it on first use.
"""

__version__ = "0.1.0"
