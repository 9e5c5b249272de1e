"""Reads arrays from a safetensors file with NumPy alone.

The file is eight bytes with the length of a JSON header, the header, and the bytes of all arrays, to which the header
gives type, shape and place (https://github.com/huggingface/safetensors#format).
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeInt, ValidationError

from lobenv.settings import Frozen
from lobenv.validation import describe
from policies.artefact import ArtefactError, read_bytes

_PREFIX = 8  # bytes of the header's length
_METADATA = "__metadata__"  # the one key of the header that is no array
FLOAT = np.dtype("<f4")


def read_tensors(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read every array of a file.

    Returns:
        Name to a read-only array, as the header orders them.

    Raises:
        ArtefactError: the file cannot be read, is cut short, or holds something else than float32 arrays.
    """
    content = read_bytes(path)
    length = int.from_bytes(content[:_PREFIX], "little")
    if len(content) < _PREFIX or length > len(content) - _PREFIX:
        raise ArtefactError(f"{path}: cut short, or no safetensors file: {len(content)} bytes")
    try:
        header = json.loads(content[_PREFIX : _PREFIX + length])
    except (ValueError, RecursionError):
        raise ArtefactError(f"{path}: no safetensors file: its header is not valid JSON") from None
    if not isinstance(header, dict):
        raise ArtefactError(f"{path}: no safetensors file: its header is no mapping")
    data = memoryview(content)[_PREFIX + length :]
    return {name: _array(path, name, entry, data) for name, entry in header.items() if name != _METADATA}


class _Entry(Frozen):
    """What the header says of one array; bytes are counted from the end of the header."""

    dtype: Literal["F32"]
    shape: tuple[NonNegativeInt, ...]
    data_offsets: tuple[NonNegativeInt, NonNegativeInt]


def _array(path: Path, name: str, values: Any, data: memoryview) -> NDArray[np.float32]:
    """The array that an entry of the header describes."""
    try:
        entry = _Entry.model_validate(values)
    except ValidationError as error:
        raise ArtefactError(describe(error, _Entry, [(f"{path}: {name}", {})])) from None
    begin, end = entry.data_offsets
    if not begin <= end <= len(data):
        raise ArtefactError(f"{path}: {name}: cut short: bytes {begin} to {end} of {len(data)}")
    if end - begin != math.prod(entry.shape) * FLOAT.itemsize:
        raise ArtefactError(f"{path}: {name}: {end - begin} bytes do not make a float32 array of shape {entry.shape}")
    try:
        return np.frombuffer(data[begin:end], FLOAT).reshape(entry.shape)
    except ValueError as error:  # an empty array with a dimension that no machine has
        raise ArtefactError(f"{path}: {name}: no array of shape {entry.shape}: {error}") from None
