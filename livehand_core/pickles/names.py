"""The names of other programs' classes and functions that a pickle may refer to, because they stand for data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _bytes(value: str | bytes) -> bytes:
    return value.encode("latin1") if isinstance(value, str) else value


def is_data(module: str, name: str) -> bool:
    """Whether a global name that a pickle refers to stands for data."""
    return (
        (module, name) in BUILT_IN
        or name in _CLASSES.get(module, ())
        or ((module == "chumpy" or module.startswith("chumpy.")) and name.isidentifier())
    )


_CORES = ("numpy.core.multiarray", "numpy._core.multiarray")
_NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")
SPARSE = frozenset(f"{kind}_{what}" for kind in ("csc", "csr", "coo") for what in ("matrix", "array"))
"""SciPy's matrices."""

_CLASSES: dict[str, frozenset[str]] = {
    **dict.fromkeys(_CORES, frozenset({"_reconstruct", "scalar"})),
    **dict.fromkeys(_NUMERIC, frozenset({"_frombuffer"})),
    "numpy": frozenset({"ndarray", "dtype", "float64", "float32", "int64", "int32", "uint32", "bool_", "str_"}),
    "scipy.sparse": SPARSE,
    **{f"scipy.sparse.{under}{kind}": SPARSE for kind in ("csc", "csr", "coo") for under in ("", "_")},
    "_codecs": frozenset({"encode"}),
    **dict.fromkeys(("copy_reg", "copyreg"), frozenset({"_reconstructor"})),
    "collections": frozenset({"OrderedDict", "defaultdict"}),
}
"""Module -> names that stand for data."""

_TYPES: dict[str, Callable[..., Any]] = {
    "set": list,
    "frozenset": list,
    "list": list,
    "tuple": tuple,
    "dict": dict,
    "object": object,
    "bytearray": lambda *parts: b"".join(_bytes(part) for part in parts[:1]),
    "bytes": lambda *parts: b"".join(_bytes(part) for part in parts[:1]),
    "complex": complex,
    "int": int,
    "long": int,
    "float": float,
    "bool": bool,
}
"""Built-in types, and what is made in their place."""

BUILT_IN = {(module, name): value for module in ("__builtin__", "builtins") for name, value in _TYPES.items()}
