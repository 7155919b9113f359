"""The ChArUco board: what is printed, as a PDF of vectors at true size, and what OpenCV looks for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import LiveHandError
from ...files import atomic_path
from ...libraries import require

COLUMNS, ROWS = 5, 7
SQUARE, MARKER = 35.0, 26.0
"""Millimetres, as printed at 100 %: the sheet fits on A4 and on Letter."""

PAPERS = {"a4": (210.0, 297.0), "letter": (215.9, 279.4)}
"""Width and height, millimetres."""

POINT = 72.0 / 25.4
BITS = 4
RULER = 100.0


@dataclass(frozen=True)
class Board:
    """A printed board.

    Attributes:
        square: millimetres of a square's side, as measured on the print.
    """

    square: float = SQUARE

    def __post_init__(self) -> None:
        if not 5.0 <= self.square <= 500.0:
            raise LiveHandError(f"A square of {self.square:g} mm is not possible.", "Measure one side in millimetres.")

    def charuco(self) -> Any:
        """OpenCV's board, in metres."""
        import cv2

        size = 1e-3 * self.square
        return cv2.aruco.CharucoBoard((COLUMNS, ROWS), size, size * MARKER / SQUARE, _dictionary())

    @property
    def corners(self) -> np.ndarray:
        """(24, 3) metres of the inner corners, by their numbers; x right, y down, z into the paper."""
        return np.asarray(self.charuco().getChessboardCorners(), dtype=np.float64)


def black_boxes() -> list[tuple[float, float, float, float]]:
    """What is black: x, y from the board's upper left corner, width and height, millimetres."""
    import cv2

    boxes = [
        (column * SQUARE, row * SQUARE, SQUARE, SQUARE)
        for row in range(ROWS)
        for column in range(COLUMNS)
        if (row + column) % 2 == 0
    ]
    board = Board().charuco()
    cell = MARKER / (BITS + 2)
    for number, corners in zip(board.getIds().reshape(-1).tolist(), board.getObjPoints(), strict=True):
        x, y = 1e3 * np.asarray(corners)[0, :2]
        dark = cv2.aruco.generateImageMarker(_dictionary(), number, BITS + 2) == 0
        for row, line in enumerate(dark):
            # One box for a run of cells: between two boxes some printers leave a hair of white.
            edges = np.flatnonzero(np.diff(np.concatenate([[0], line.astype(int), [0]])))
            boxes += [
                (float(x) + start * cell, float(y) + row * cell, (end - start) * cell, cell)
                for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
            ]
    return boxes


def write_board(path: Path, paper: str = "a4") -> None:
    """Write the PDF to print.

    Raises:
        LiveHandError: another suffix, or the file cannot be written.
    """
    require("datasets")
    if path.suffix.lower() != ".pdf":
        raise LiveHandError(f"{path.name} is not a PDF.", "Name it board.pdf.")
    width, height = PAPERS[paper]
    left, top = 0.5 * (width - COLUMNS * SQUARE), 0.5 * (height - ROWS * SQUARE)
    lines = ["0 g"]
    lines += [_box(left + x, height - top - y - h, w, h) for x, y, w, h in black_boxes()]
    foot = height - top - ROWS * SQUARE - 6.0
    lines += [_box(left, foot, RULER, 0.3), _box(left, foot - 1.5, 0.3, 3.0), _box(left + RULER, foot - 1.5, 0.3, 3.0)]
    text = f"LiveHand ChArUco {COLUMNS} x {ROWS}: print at 100 %. This line is 100 mm, a square {SQUARE:g} mm long."
    lines.append(f"BT /F1 7 Tf {(left) * POINT:.3f} {(foot - 5.0) * POINT:.3f} Td ({text}) Tj ET")
    with atomic_path(path) as temporary:
        temporary.write_bytes(_document("\n".join(lines).encode("ascii"), width, height))


def _box(x: float, y: float, width: float, height: float) -> str:
    return f"{x * POINT:.4f} {y * POINT:.4f} {width * POINT:.4f} {height * POINT:.4f} re f"


def _document(content: bytes, width: float, height: float) -> bytes:
    """A PDF of one page. Viewers are told not to fit it to the page when they print."""
    box = f"[0 0 {width * POINT:.4f} {height * POINT:.4f}]"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R /ViewerPreferences << /PrintScaling /None >> >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox {box} /Contents 4 0 R "
        "/Resources << /Font << /F1 5 0 R >> >> >>".encode("ascii"),
        f"<< /Length {len(content)} >>\nstream\n".encode("ascii") + content + b"\nendstream",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    answer, places = bytearray(b"%PDF-1.6\n"), []
    for number, part in enumerate(objects, 1):
        places.append(len(answer))
        answer += f"{number} 0 obj\n".encode("ascii") + part + b"\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    start = len(answer)
    answer += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}".encode("ascii")
    answer += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode("ascii")
    return bytes(answer)


def _dictionary() -> Any:
    import cv2

    return cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
