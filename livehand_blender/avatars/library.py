"""The folder of avatars, without bpy: what is in it, adding a file or an official checkpoint, taking one out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from livehand_core.avatars.metadata import AVATAR, DEFAULT_AVATAR_PATH, AvatarMetadata, read_metadata
from livehand_core.engine.interpreters import child_environment, core_command, find_interpreter
from livehand_core.errors import AvatarError, LiveHandError
from livehand_core.files import atomic_path, safe_name

from ..environment.lines import failure_line, run_lines

SUFFIX = ".safetensors"
CHECKPOINT_SUFFIX = ".tar"


@dataclass(frozen=True)
class Entry:
    """One avatar of the list.

    Attributes:
        path: its file.
        ships: whether it is the one that ships inside.
        metadata: what it says of itself; None when it cannot be used.
        problem: why it cannot be used, empty when it can.
    """

    path: Path
    ships: bool
    metadata: AvatarMetadata | None
    problem: str = ""

    @property
    def name(self) -> str:
        """What the list shows; a file's name may hold bytes that are no text."""
        return "Default" if self.ships else os.fsencode(self.path.stem).decode(errors="replace")


_known: dict[tuple[str, int, int], tuple[AvatarMetadata | None, str]] = {}


def describe(path: Path) -> tuple[AvatarMetadata | None, str]:
    """What an avatar file says of itself, or why it cannot be used; read again only when the file has changed."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None, f"The avatar {path} does not exist. Choose another one, or put the file back."
    except OSError as error:
        return None, str(AVATAR.unreadable(path, error))
    key = (str(path), status.st_mtime_ns, status.st_size)
    if key not in _known:
        try:
            _known[key] = (read_metadata(path), "")
        except LiveHandError as error:
            _known[key] = (None, str(error))
    return _known[key]


def scan(folder: Path) -> list[Entry]:
    """The avatar that ships inside, then the files of the folder by name; a folder that is not there has none."""
    entries = [Entry(DEFAULT_AVATAR_PATH, True, *describe(DEFAULT_AVATAR_PATH))]
    try:
        with os.scandir(folder) as found:
            names = sorted(
                (entry.name for entry in found if Path(entry.name).suffix.lower() == SUFFIX and entry.name[0] != "."),
                key=str.lower,
            )
    except OSError:
        names = []
    return entries + [Entry(folder / name, False, *describe(folder / name)) for name in names]


def add_file(source: Path, folder: Path, name: str = "") -> Path:
    """Copy an avatar into the folder; its place there. The same avatar is not copied twice.

    Args:
        name: of the file there; the source's own when empty.

    Raises:
        AvatarError: it is no avatar, or cannot be read.
        LiveHandError: the folder cannot be written.
    """
    metadata = read_metadata(source)
    stem = safe_name(name or source.stem, "avatar")
    target = folder / f"{stem}{SUFFIX}"
    number = 2
    while target.exists():
        if target.samefile(source) or _same(target, metadata):
            return target
        target = folder / f"{stem} {number}{SUFFIX}"
        number += 1
    with atomic_path(target) as temporary:
        try:
            shutil.copyfile(source, temporary)
        except FileNotFoundError as error:
            raise AvatarError(f"The avatar {source} disappeared while it was copied.", "Try again.") from error
    return target


def add_checkpoint(
    source: Path,
    folder: Path,
    preference: str,
    made_environment: Path,
    cancelled: Callable[[], bool],
    factor: str = "",
) -> Path:
    """Turn an official LiveHand checkpoint into an avatar of the folder; its place there. Takes some seconds.

    Args:
        preference, made_environment: where the Python may be, see ``find_interpreter``.
        factor: super-resolution, ``"2"`` or ``"4"``, when its config.txt does not say.

    Raises:
        EngineError: there is no Python with what the import needs, or it was cancelled.
        AvatarError: it is no checkpoint of LiveHand's.
    """
    python = find_interpreter(preference, made_environment, "import").path
    with TemporaryDirectory(prefix="livehand-") as name:
        made = Path(name) / f"{safe_name(source.stem, 'avatar')}{SUFFIX}"
        options = ["--factor", factor] if factor else []
        command = core_command(python, ["import", str(source), str(made), "--name", source.stem, *options])
        code, lines = run_lines(command, child_environment(python), None, cancelled)
        if code != 0:
            raise AvatarError(f"{source} cannot be imported: {failure_line(lines).removeprefix('livehand: ')}.")
        return add_file(made, folder)


def remove(path: Path, folder: Path) -> None:
    """Delete an avatar of the folder.

    Raises:
        AvatarError: it is not in that folder, or may not be deleted.
    """
    if path.parent.resolve() != folder.resolve():
        raise AvatarError(f"{path} is not in the folder of avatars.", "Delete it by hand.")
    try:
        path.unlink()
    except OSError as error:
        raise AvatarError(f"{path} cannot be deleted ({error.strerror}).", "Check the folder's permissions.") from error


def _same(path: Path, metadata: AvatarMetadata) -> bool:
    known, _ = describe(path)
    return known is not None and known.content_hash != "" and known.content_hash == metadata.content_hash
