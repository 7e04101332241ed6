"""Pixels that look like nothing but noise in a disc, and the attributes that describe them."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import CTImageStorage


class Grid(Protocol):
    """What a kind of image says about its pixels. ``size`` in pixels a side."""

    @property
    def size(self) -> int: ...
    @property
    def frames(self) -> int: ...
    @property
    def bits(self) -> int: ...
    @property
    def colour(self) -> bool: ...


def paint(made: Dataset, grid: Grid, random: np.random.Generator, *, image: int) -> None:
    """Put pixels into an object, and say how they are stored (PS3.3 section C.7.6.3)."""
    made.Rows = made.Columns = grid.size
    made.BitsStored = grid.bits
    made.BitsAllocated = 8 if grid.bits <= 8 else 16
    made.HighBit = grid.bits - 1
    made.PixelRepresentation = 0
    made.SamplesPerPixel = 3 if grid.colour else 1
    made.PhotometricInterpretation = "RGB" if grid.colour else "MONOCHROME2"
    if grid.colour:
        made.PlanarConfiguration = 0
    if grid.frames > 1:
        made.NumberOfFrames = grid.frames
        made.FrameTime = "40"
        made.FrameIncrementPointer = 0x00181063
    if made.SOPClassUID == CTImageStorage:
        made.RescaleIntercept, made.RescaleSlope = "-1024", "1"
        made.PixelSpacing = ["0.7", "0.7"]
        made.ImagePositionPatient = ["0", "0", str(image)]
        made.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    made.PixelData = _disc(grid, random).tobytes()


def _disc(grid: Grid, random: np.random.Generator) -> NDArray[np.uint8] | NDArray[np.uint16]:
    shape = (grid.frames, grid.size, grid.size, 3 if grid.colour else 1)
    top = 2**grid.bits
    noise = random.integers(top // 2, top, shape)
    rows, columns = np.ogrid[: grid.size, : grid.size]
    middle = grid.size / 2
    inside = (rows - middle) ** 2 + (columns - middle) ** 2 < (grid.size / 3) ** 2
    painted = np.where(inside[None, :, :, None], noise, 0)
    return painted.astype(np.uint8 if grid.bits <= 8 else "<u2")
