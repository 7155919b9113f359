"""The stack machine that runs pickles as data: nothing in them is looked up, called or given to Python's unpickler.

A pickle is a program for a small stack machine. It runs here on a machine of our own, which knows only what data
needs: numbers, text, bytes, lists, tables, and the way in which NumPy, SciPy and chumpy write arrays. Each array is
built by our own code from its type, its shape and its bytes, whose number must agree. Every other name is refused, and
so is whatever would take much more memory than the file has bytes.

The opcodes are those of ``pickletools``, protocols 0 to 5.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable
from typing import Any

from .names import BUILT_IN, is_data

DEPTH = 64
"""Levels of lists, tables and objects in one another."""

OPCODES = 4_000_000
"""Steps of the machine."""

ELEMENTS = 1 << 24
"""Numbers of an array that is built from lists."""


class PickleError(ValueError):
    """A pickle that is damaged, or that refers to what is not data."""


class Foreign:
    """An object of another program's class: its name, what it was made from, and its state.

    Attributes:
        name: module and class, ``"chumpy.ch.Ch"``.
        arguments: that it was made with.
        state: that was set afterwards; None where none was.
    """

    def __init__(self, name: str, arguments: tuple[Any, ...] = ()) -> None:
        self.name, self.arguments, self.state = name, arguments, None

    state: Any

    @property
    def table(self) -> dict[str, Any]:
        """The state as a table, empty where it is none."""
        parts = self.state if isinstance(self.state, tuple) else (self.state,)
        return {str(key): value for part in parts if isinstance(part, dict) for key, value in part.items()}


class Name(str):
    """A global name that a pickle refers to; calling it makes a Foreign."""


# The stack machine


_FIXED = {
    "K": "<B", "M": "<H", "J": "<i", "h": "<B", "j": "<I", "q": "<B", "r": "<I", "G": ">d", "\x80": "<B", "\x95": "<Q",
    "\x82": "<B", "\x83": "<H", "\x84": "<i",
}  # fmt: skip
"""Opcode -> how its number is written."""

_COUNTED = {
    "T": "<I", "U": "<B", "X": "<I", "\x8c": "<B", "\x8d": "<Q", "B": "<I", "C": "<B", "\x8e": "<Q", "\x96": "<Q",
    "\x8a": "<B", "\x8b": "<i",
}  # fmt: skip
"""Opcode -> how the number of bytes that follow is written."""

_MARK = object()


class Machine:
    """Runs one pickle."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.copied = 0

    def run(self) -> Any:
        for _ in range(OPCODES):
            opcode = chr(self._take(1)[0])
            if opcode == ".":
                return self._pop()
            try:
                self._step(opcode)
            except PickleError:
                raise
            except (TypeError, ValueError, IndexError, KeyError, AttributeError, OverflowError, struct.error) as error:
                raise PickleError(f"byte {self.at} does not fit what stands before it ({error})") from error
        raise PickleError("it has too many instructions")

    def _take(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self.content):
            raise PickleError("it is truncated")
        part = self.content[self.at : self.at + count]
        self.at += count
        return part

    def _line(self) -> bytes:
        end = self.content.find(b"\n", self.at, self.at + (1 << 26))
        if end < 0:
            raise PickleError("it is truncated")
        part, self.at = self.content[self.at : end], end + 1
        return part

    def _number(self, form: str) -> Any:
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _pop(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            raise PickleError("its stack is empty")
        return self.stack.pop()

    def _marked(self) -> list[Any]:
        """What stands above the last mark, which goes as well."""
        place = next((i for i in range(len(self.stack) - 1, -1, -1) if self.stack[i] is _MARK), None)
        if place is None:
            raise PickleError("a mark is missing")
        values = self.stack[place + 1 :]
        del self.stack[place:]
        return values

    def _step(self, opcode: str) -> None:
        if opcode in _COUNTED:
            self.stack.append(_counted(opcode, self._take(self._number(_COUNTED[opcode]))))
        elif opcode in _FIXED:
            self._fixed(opcode, self._number(_FIXED[opcode]))
        elif opcode in _CONSTANTS:
            self.stack.append(_CONSTANTS[opcode]())
        elif opcode in _LINES:
            self.stack.append(_LINES[opcode](self._line()))
        elif opcode in _ACTIONS:
            _ACTIONS[opcode](self)
        else:
            if opcode in "PQ\x97\x98":
                raise PickleError("it refers to objects outside the file")
            raise PickleError(f"byte {self.at} is not an instruction of a pickle")

    def _fixed(self, opcode: str, number: Any) -> None:
        if opcode in "KMJG":
            self.stack.append(number)
        elif opcode in "hj":
            self.stack.append(self.memo[number])
        elif opcode in "qr":
            self.memo[number] = self.stack[-1]
        elif opcode in "\x82\x83\x84":
            raise PickleError("it refers to registered extensions")

    def drop(self) -> None:
        self._pop()

    def double(self) -> None:
        value = self._pop()
        self.stack += [value, value]

    def drop_marked(self) -> None:
        self._marked()

    def global_name(self, module: str, name: str) -> None:
        if not is_data(module, name):
            raise PickleError(f"it refers to {module}.{name}")
        self.stack.append(Name(f"{module}.{name}"))

    def call(self, arguments: Any, function: Any) -> None:
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            raise PickleError("it calls something that is not a class")
        # What is called copies its arguments, which one memo lends to any number of calls.
        self.copied += sum(len(part) for part in arguments if isinstance(part, str | bytes | list | tuple))
        if self.copied > 4 * len(self.content) + ELEMENTS:
            raise PickleError("it unpacks to far more than it holds")
        self.stack.append(_made(function, arguments))

    def build(self) -> None:
        state = self._pop()
        target = self.stack[-1]
        if isinstance(target, Foreign):
            target.state = state
        elif not isinstance(target, dict | list):
            raise PickleError("it sets the state of a value")

    def set_items(self, pairs: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Foreign):
            target.state = target.state if isinstance(target.state, dict) else {}
            target = target.state
        if not isinstance(target, dict) or len(pairs) % 2:
            raise PickleError("entries without a table")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            target[_key(key)] = value

    def extend(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, list):
            raise PickleError("entries without a list")
        target.extend(values)


def _text(line: bytes) -> str:
    return line.decode("latin1")


def _quoted(line: bytes) -> str:
    """A Python 2 string as protocol 0 writes it: quoted, with escapes."""
    line = line.strip()
    if len(line) < 2 or line[:1] not in (b"'", b'"') or line[-1:] != line[:1]:
        raise PickleError("a string is not quoted")
    return codecs.escape_decode(line[1:-1])[0].decode("latin1")  # type: ignore[attr-defined]


def _integer(line: bytes) -> Any:
    if line in (b"00", b"01"):
        return line == b"01"
    return int(line.rstrip(b"L"))


_CONSTANTS: dict[str, Callable[[], Any]] = {
    "N": lambda: None,
    "\x88": lambda: True,
    "\x89": lambda: False,
    "]": list,
    "}": dict,
    ")": tuple,
    "\x8f": list,
    "(": lambda: _MARK,
}

_LINES: dict[str, Callable[[bytes], Any]] = {
    "I": _integer,
    "L": _integer,
    "F": lambda line: float(line),
    "S": _quoted,
    "V": lambda line: line.decode("raw-unicode-escape"),
}


def _tuple(count: int) -> Callable[[Machine], None]:
    def make(machine: Machine) -> None:
        values = [machine._pop() for _ in range(count)]
        machine.stack.append(tuple(values[::-1]))

    return make


def _paired(machine: Machine) -> dict[Any, Any]:
    values = machine._marked()
    if len(values) % 2:
        raise PickleError("entries without a table")
    return {_key(key): value for key, value in zip(values[::2], values[1::2], strict=True)}


def _new(machine: Machine, keywords: bool) -> None:
    if keywords and machine._pop():
        raise PickleError("it makes an object by keywords")
    arguments = machine._pop()
    machine.call(arguments, machine._pop())


def _instance(machine: Machine, with_class: bool) -> None:
    """Protocol 0's objects: the class below the arguments, or named behind them."""
    if not with_class:
        machine.global_name(_text(machine._line()), _text(machine._line()))
        name = machine._pop()
        machine.call(tuple(machine._marked()), name)
    else:
        name, *arguments = machine._marked()
        machine.call(tuple(arguments), name)


def _stack_global(machine: Machine) -> None:
    name = machine._pop()
    module = machine._pop()
    machine.global_name(str(module), str(name))


def _reduce(machine: Machine) -> None:
    arguments = machine._pop()
    machine.call(arguments, machine._pop())


def _item(machine: Machine) -> None:
    value = machine._pop()
    machine.set_items([machine._pop(), value])


def _append(machine: Machine) -> None:
    machine.extend([machine._pop()])


def _put(machine: Machine) -> None:
    machine.memo[int(machine._line())] = machine.stack[-1]


_ACTIONS: dict[str, Callable[[Machine], None]] = {
    "0": Machine.drop,
    "1": Machine.drop_marked,
    "2": Machine.double,
    "t": lambda machine: machine.stack.append(tuple(machine._marked())),
    "l": lambda machine: machine.stack.append(machine._marked()),
    "d": lambda machine: machine.stack.append(_paired(machine)),
    "\x85": _tuple(1),
    "\x86": _tuple(2),
    "\x87": _tuple(3),
    "\x91": lambda machine: machine.stack.append(machine._marked()),
    "a": _append,
    "e": lambda machine: machine.extend(machine._marked()),
    "\x90": lambda machine: machine.extend(machine._marked()),
    "s": _item,
    "u": lambda machine: machine.set_items(machine._marked()),
    "b": Machine.build,
    "R": _reduce,
    "\x81": lambda machine: _new(machine, keywords=False),
    "\x92": lambda machine: _new(machine, keywords=True),
    "i": lambda machine: _instance(machine, with_class=False),
    "o": lambda machine: _instance(machine, with_class=True),
    "c": lambda machine: machine.global_name(_text(machine._line()), _text(machine._line())),
    "\x93": _stack_global,
    "g": lambda machine: machine.stack.append(machine.memo[int(machine._line())]),
    "p": _put,
    "\x94": lambda machine: machine.memo.__setitem__(len(machine.memo), machine.stack[-1]),
}


def _counted(opcode: str, part: bytes) -> Any:
    if opcode in "TU":
        return part.decode("latin1")
    if opcode in "X\x8c\x8d":
        return part.decode("utf-8", "surrogatepass")
    if opcode in "\x8a\x8b":
        if len(part) > 64:
            raise PickleError("a number of more than 512 bits")
        return int.from_bytes(part, "little", signed=True)
    return part


def _key(key: Any) -> Any:
    """A table's key: text, numbers or nothing; bytes are taken as text."""
    if isinstance(key, bytes):
        return key.decode("latin1")
    if key is None or isinstance(key, str | int | float):
        return key
    raise PickleError("a table's key is neither text nor a number")


def _made(name: Name, arguments: tuple[Any, ...]) -> Any:
    """What calling an admitted name gives."""
    module, _, short = name.rpartition(".")
    plain = BUILT_IN.get((module, short))
    if plain is list or plain is tuple:
        return plain(arguments[0]) if arguments and isinstance(arguments[0], list | tuple) else plain()
    if plain is dict or short in ("OrderedDict", "defaultdict"):
        pairs = next((part for part in arguments if isinstance(part, list | tuple)), ())
        return {_key(key): value for key, value in pairs}
    if plain is not None and short != "object":
        return plain(*(part for part in arguments if isinstance(part, str | bytes | int | float)))
    if short == "encode" and module == "_codecs":
        return str(arguments[0]).encode("latin1")
    if short == "_reconstructor" and arguments and isinstance(arguments[0], Name):
        return Foreign(str(arguments[0]))
    return Foreign(str(name), arguments)
