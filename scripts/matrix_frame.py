"""One frame of the demo scene in one Blender, with the extension installed from its zip: for ``blender_matrix.py``.

    PYTHON_WITH_BPY scripts/matrix_frame.py livehand.zip frame.png FRAME

BLENDER_USER_RESOURCES must name an empty folder, LIVEHAND_PYTHON the engine's interpreter.
"""

from __future__ import annotations

import json
import os
import sys
import time


def main() -> int:
    """Install, enable, render; the last line on standard output is JSON with versions and seconds."""
    archive, picture, frame = sys.argv[1], sys.argv[2], int(sys.argv[3])
    import bpy
    import demo_scene

    bpy.ops.extensions.package_install_files(filepath=archive, repo="user_default", enable_on_install=True)
    bpy.ops.preferences.addon_enable(module="bl_ext.user_default.livehand")
    scene = demo_scene.build(os.environ.get("LIVEHAND_MATRIX_AVATAR", ""))
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format = "PNG"
    settings.color_mode = "RGB"
    # Blender's noise against bands is brighter by half a level in 4.2 than from 4.5 on; it is not compared here.
    scene.render.dither_intensity = 0.0
    scene.render.filepath = picture
    seconds = []
    for number in (frame, frame):  # The first time the engine starts as well.
        scene.frame_set(number)
        started = time.perf_counter()
        bpy.ops.render.render(write_still=True)
        seconds.append(round(time.perf_counter() - started, 2))
    print(json.dumps({"blender": bpy.app.version_string, "python": sys.version.split()[0], "seconds": seconds}))
    bpy.ops.preferences.addon_disable(module="bl_ext.user_default.livehand")
    return 0


if __name__ == "__main__":
    try:
        status = main()
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        status = 1
    # The add-on sees to the end of a Blender that it was registered in.
    sys.exit(status)
