"""Pickles of other programs, read as data; nothing in them is looked up, called or given to Python's own unpickler."""

from .arrays import to_array
from .machine import Foreign, PickleError
from .reading import array_items, read_object_array, read_pickle

__all__ = ["Foreign", "PickleError", "array_items", "read_object_array", "read_pickle", "to_array"]
