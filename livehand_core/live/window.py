"""The window itself, by pygame: shows frames, says how it goes, takes keys."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

KEYS = {
    "m": "mirror", "v": "view", "i": "identity", "r": "record", "h": "help", "escape": "quit", "q": "quit",
    "-": "calmer_less", "+": "calmer", "=": "calmer", "[-]": "calmer_less", "[+]": "calmer",
}  # fmt: skip
"""Name of a key, as pygame has it -> what it does."""

HELP = ("M mirror   V beside or over   I identity   R record   + - smoothing   H help   Esc quit",)


class Window:
    """A window that fits its pictures.

    Args:
        title: of it.
    """

    def __init__(self, title: str) -> None:
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        import pygame

        self._pygame: Any = pygame
        pygame.display.init()
        pygame.font.init()
        pygame.display.set_caption(title)
        self._screen: Any = pygame.display.set_mode((960, 400), pygame.RESIZABLE)
        self._font: Any = pygame.font.Font(None, 22)
        self._picture: np.ndarray | None = None
        self.help = True

    def draw(self, picture: np.ndarray | None, lines: tuple[str, ...], alert: str = "") -> None:
        """Show a picture, or the last one again, with lines of text in its corner and a red one above."""
        pygame = self._pygame
        self._picture = picture if picture is not None else self._picture
        self._screen.fill((26, 28, 32))
        if self._picture is not None:
            surface = pygame.image.frombuffer(self._picture.tobytes(), self._picture.shape[1::-1], "RGB")
            width, height = self._screen.get_size()
            scale = min(width / surface.get_width(), height / surface.get_height())
            size = max(1, round(surface.get_width() * scale)), max(1, round(surface.get_height() * scale))
            place = (width - size[0]) // 2, (height - size[1]) // 2
            self._screen.blit(pygame.transform.smoothscale(surface, size), place)
        if alert:
            self._write(alert, 8, (255, 90, 80))
        for number, line in enumerate((*lines, *(HELP if self.help else ()))):
            self._write(line, 30 + 20 * number, (235, 235, 235))
        pygame.display.flip()

    def heed(self, actions: Mapping[str, Callable[[], None]]) -> bool:
        """Do what keys ask for; False when the window is to be closed."""
        pygame = self._pygame
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                return False
            if event.type == pygame.KEYDOWN:
                wish = KEYS.get(pygame.key.name(event.key), KEYS.get(event.unicode, ""))
                if wish == "quit":
                    return False
                if wish == "help":
                    self.help = not self.help
                elif wish in actions:
                    actions[wish]()
        return True

    def close(self) -> None:
        """Close it."""
        self._pygame.display.quit()

    def _write(self, text: str, top: int, colour: tuple[int, int, int]) -> None:
        for offset, tone in ((1, (0, 0, 0)), (0, colour)):
            self._screen.blit(self._font.render(text, True, tone), (10 + offset, top + offset))
