"""Zips of the extension that differ from the checkout's: an older version, or the same with another core.

For ``blender_matrix.py`` and tests/blender/test_extension.py, which upgrade from one to the other.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from build_extension import ROOT, build, core_version


def variant(folder: Path, version: str = "", mark: str = "") -> Path:
    """Build a zip below ``folder`` and give its path.

    Args:
        folder: must hold nothing yet.
        version: in place of the present one.
        mark: value of ``livehand_core.MARK``.
    """
    root, present = folder / "checkout", core_version()
    version = version or present
    for name in ("livehand_core", "livehand_blender"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    manifest = (ROOT / "blender_manifest.toml").read_text(encoding="utf-8")
    manifest = manifest.replace(f'version = "{present}"', f'version = "{version}"')
    (root / "blender_manifest.toml").write_text(manifest, encoding="utf-8")
    core = root / "livehand_core" / "__init__.py"
    text = core.read_text(encoding="utf-8").replace(f'"{present}"', f'"{version}"')
    core.write_text(f'{text}\nMARK = "{mark}"\n', encoding="utf-8")
    return build(folder / "dist", folder / "tree", root)
