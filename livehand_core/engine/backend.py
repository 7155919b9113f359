"""What the server renders with: the Renderer, and torch where a device or an avatar needs it.

Imported by the engine process only.

The server takes any object of the ``Backend`` protocol, so that its own tests need no torch.
"""

from __future__ import annotations

import gc
import logging
import sys
import traceback
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from threading import Thread
from typing import Any, Protocol

from ..errors import DeviceError, EngineError, LiveHandError
from ..frames import FrameRequest
from ..libraries import explained
from ..passes import RenderPasses
from ..rendering.blocks import is_out_of_memory
from ..rendering.gpu.adapters import choose, survey
from ..workers import available_processors


class Backend(Protocol):
    """Renders frames and knows its machine."""

    def open(self, device: str) -> tuple[str, list[str]]:
        """Get ready to render on a device; torch's version (empty without it) and one line for each device.

        Raises:
            LiveHandError: it cannot render here.
        """

    def render(self, request: FrameRequest, cancelled: Callable[[], bool]) -> RenderPasses:
        """One frame; raises RenderCancelled soon after ``cancelled`` gives True."""

    def explain(self, error: Exception) -> tuple[LiveHandError, bool]:
        """An error of ``render`` in a user's terms, and whether the backend can go on."""


class RendererBackend:
    """The true backend."""

    def __init__(self) -> None:
        self._renderer: Any = None

    def open(self, device: str) -> tuple[str, list[str]]:
        # Drivers take their time, as the renderer's libraries do.
        looking = Thread(target=survey, name="livehand-gpus", daemon=True)
        looking.start()
        try:
            from ..rendering.renderer import Renderer
        except ImportError as error:
            raise explained(error, "rendering") from error
        except Exception as error:
            # A broken installation fails in many ways: OSError for a library, RuntimeError.
            raise EngineError(
                f"The renderer cannot be loaded ({error}).", "Install LiveHand again in the engine's environment."
            ) from error
        looking.join()
        self._renderer = Renderer(device)
        return _torch_version(), describe_devices(self._renderer.device)

    def render(self, request: FrameRequest, cancelled: Callable[[], bool]) -> RenderPasses:
        passes: RenderPasses = self._renderer.render(request, cancelled)
        return passes

    def explain(self, error: Exception) -> tuple[LiveHandError, bool]:
        if isinstance(error, LiveHandError):
            if isinstance(error, DeviceError):
                _release_memory(error)
            return error, True
        if isinstance(error, ImportError):
            return explained(error, "rendering"), True
        if is_out_of_memory(error) or "can't allocate memory" in str(error):
            _release_memory(error)
            return (
                DeviceError(
                    f"The engine ran out of memory ({_first_line(error)}).",
                    "Render a smaller image, close other programs that use the device, or choose the CPU.",
                ),
                True,
            )
        usable = self._device_works()
        return (
            EngineError(
                f"The engine failed at this frame ({type(error).__name__}: {_first_line(error)}).",
                "Look into the engine's log." if usable else "Render again; the engine starts anew.",
            ),
            usable,
        )

    def _device_works(self) -> bool:
        torch = sys.modules.get("torch")
        if torch is None or not torch.cuda.is_initialized():
            return True
        try:
            # After an illegal access or a launch failure every call fails until the process ends.
            torch.cuda.synchronize()
            return True
        except Exception:
            logging.exception("The CUDA device no longer works")
            return False


def describe_devices(chosen: str) -> list[str]:
    """One line for each device that can be used, the one that frames are drawn on first; then why others cannot.

    A line begins with the name that Renderer takes, or with ``"no gpu"``.
    """
    found = survey()
    lines = [f"gpu:{number} ({adapter.description})" for number, adapter in enumerate(found.usable)]
    if chosen == "gpu:software":
        lines.append(f"{chosen} ({choose(chosen).description})")
    elif not found.usable:
        lines += [f"no gpu ({reason})" for reason in found.reasons or ("none was found",)]
    lines.append(f"cpu ({available_processors()} threads)")
    name = "gpu:0" if chosen == "gpu" else chosen
    return sorted(lines, key=lambda line: (not line.startswith(f"{name} "), line.startswith("no gpu")))


def _torch_version() -> str:
    """As installed, without importing it."""
    try:
        return version("torch")
    except PackageNotFoundError:
        return ""


def _release_memory(error: Exception) -> None:
    """Give the device's memory back to other programs, Blender's Cycles among them."""
    reason: BaseException | None = error
    while reason is not None:
        # The frames of the traceback still hold the tensors.
        traceback.clear_frames(reason.__traceback__)
        reason = reason.__cause__ or reason.__context__
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no further word"])[0]
