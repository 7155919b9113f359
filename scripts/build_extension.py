"""Build the Blender extension: dist/livehand-VERSION.zip, with the core's wheel inside.

    python3 scripts/build_extension.py [--out dist]

Needs nothing but Python 3.11 or newer. The same sources give the same bytes. The tree that the zip is made of stays in
build/extension, where `blender --command extension build --source-dir build/extension` accepts it too.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import shutil
import sys
import tomllib
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DISTRIBUTION = "livehand_core"
EPOCH = (2020, 1, 1, 0, 0, 0)
"""Time stamp of every member, so that a build is reproducible."""


def main(arguments: list[str] | None = None) -> int:
    """Command line; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder of the zip (default: dist)")
    parser.add_argument("--tree", type=Path, default=ROOT / "build" / "extension", help="folder of the unpacked tree")
    options = parser.parse_args(arguments)
    try:
        archive = build(options.out, options.tree)
    except (OSError, ValueError) as error:
        print(f"The extension cannot be built: {error}", file=sys.stderr)
        return 1
    wheel = next((options.tree / "wheels").glob("*.whl"))
    print(f"{archive} ({_size(archive)}), wheel {wheel.name} ({_size(wheel)})")
    return 0


def build(out: Path, tree: Path, root: Path = ROOT) -> Path:
    """Assemble the extension's tree in ``tree`` and zip it into ``out``; gives the zip's path.

    Args:
        root: the checkout that it is made of.

    Raises:
        ValueError: the versions of manifest and core differ, or ``tree`` holds something else.
    """
    text = (root / "blender_manifest.toml").read_text(encoding="utf-8")
    version = core_version(root)
    if tomllib.loads(text)["version"] != version:
        raise ValueError(f"blender_manifest.toml does not name version {version} of {DISTRIBUTION}.")
    if tree.exists():
        if any(tree.iterdir()) and not (tree / "blender_manifest.toml").is_file():
            raise ValueError(f"{tree} is not an extension's tree, so it is not replaced. Choose another --tree.")
        shutil.rmtree(tree)
    (tree / "wheels").mkdir(parents=True)
    for source in package_files(root / "livehand_blender"):
        target = tree / source.relative_to(root / "livehand_blender")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    wheel = write_wheel(tree / "wheels", version, root)
    (tree / "blender_manifest.toml").write_text(_with_wheel(text, wheel.name), encoding="utf-8")
    out.mkdir(parents=True, exist_ok=True)
    archive = out / f"livehand-{version}.zip"
    temporary = archive.with_suffix(".tmp")
    write_zip(temporary, ((path, path.relative_to(tree).as_posix()) for path in sorted(tree.rglob("*"))))
    temporary.replace(archive)
    return archive


def core_version(root: Path = ROOT) -> str:
    """The version of livehand_core, read without importing it.

    Raises:
        ValueError: its __init__ names none.
    """
    for line in (root / DISTRIBUTION / "__init__.py").read_text(encoding="utf-8").splitlines():
        if line.startswith("__version__"):
            return line.split('"')[1]
    raise ValueError(f"{DISTRIBUTION}/__init__.py names no __version__.")


def _with_wheel(manifest: str, wheel: str) -> str:
    """The manifest's text with the wheel named in front of its first table."""
    head, table, rest = manifest.partition("\n[")
    return f'{head}\nwheels = ["./wheels/{wheel}"]\n{table}{rest}'


def package_files(package: Path) -> list[Path]:
    """Every file of a package that belongs in a build: no caches, nothing hidden."""
    return [
        path
        for path in sorted(package.rglob("*"))
        if path.is_file()
        and "__pycache__" not in path.parts
        and not any(part.startswith(".") for part in path.relative_to(package).parts)
    ]


def write_wheel(folder: Path, version: str, root: Path = ROOT) -> Path:
    """The whole of livehand_core as a pure Python wheel; gives its path.

    It asks for NumPy alone, which Blender has. Its extras, those of ``pyproject.toml``, bring what the engine's process
    runs on: the rooms that need numba or torch are inside, and Blender's Python never imports them.

    Blender unpacks a wheel only when it holds none of the same name and version. So the version carries a digest of the
    content, and installing a zip always brings the core that lies in it.
    """
    members = [(path.relative_to(root).as_posix(), path.read_bytes()) for path in package_files(root / DISTRIBUTION)]
    digest = hashlib.sha256()
    for name, content in members:
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    version = f"{version}+{digest.hexdigest()[:12]}"
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = f"{project['name']}-{version}.dist-info"
    members.append((f"{info}/METADATA", metadata(project, version).encode()))
    tags = "Wheel-Version: 1.0\nGenerator: build_extension\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    members.append((f"{info}/WHEEL", tags.encode()))
    lines = [f"{name},sha256={_digest(content)},{len(content)}" for name, content in members]
    record = "\n".join([*lines, f"{info}/RECORD,,"]) + "\n"
    target = folder / f"{project['name']}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in [*members, (f"{info}/RECORD", record.encode())]:
            archive.writestr(_member(name), content, compresslevel=9)
    return target


def metadata(project: Mapping[str, Any], version: str) -> str:
    """The wheel's METADATA: what pip reads of the table ``project`` of pyproject.toml.

    An extra may name others of the project itself (``livehand[torch]``), so the wheel bears the project's name.
    """
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {project['name']}",
        f"Version: {version}",
        f"Summary: {project['description']}",
        f"License: {project['license']}",
        f"Requires-Python: {project['requires-python']}",
        *(f"Requires-Dist: {requirement}" for requirement in project["dependencies"]),
    ]
    for extra, requirements in project["optional-dependencies"].items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f"Requires-Dist: {_within(requirement, extra)}" for requirement in requirements]
    return "\n".join(lines) + "\n"


def _within(requirement: str, extra: str) -> str:
    """A requirement that holds where an extra is asked for."""
    package, _, marker = (part.strip() for part in requirement.partition(";"))
    condition = f'({marker}) and extra == "{extra}"' if marker else f'extra == "{extra}"'
    return f"{package}; {condition}"


def write_zip(target: Path, members: Iterable[tuple[Path, str]]) -> None:
    """Zip files under given names, directories left out."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, name in members:
            if path.is_file():
                archive.writestr(_member(name), path.read_bytes(), compresslevel=9)


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, EPOCH)
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = 0o644 << 16
    return member


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.2f} MB"


if __name__ == "__main__":
    sys.exit(main())
