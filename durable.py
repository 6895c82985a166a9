"""Files that others read: wholly old or wholly new, whatever happens in between.

The data goes to a temporary name in the same folder, is flushed to disk, renamed over the target, and the
folder is flushed, so that a kill or a power cut leaves one of the two versions and never a torn one.
"""

import io
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa


def write_bytes(path: Path, data: bytes) -> None:
    """Replaces `path` by `data`, atomically and durably. Parent folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_json(path: Path, value: object) -> None:
    """Writes `value` (anything msgspec encodes) as indented JSON with a final newline."""
    write_bytes(path, msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=2) + b"\n")


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Writes arrays as an uncompressed .npz that `np.load` reads; its bytes depend on names and values alone.

    `np.savez` leaves the zip headers to the interpreter, and Python 3.11.2 and 3.11.7 write different ones.

    Raises:
        ValueError: an array holds Python objects, which only pickle could keep.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue())  # dated 1980, not now
    write_bytes(path, packed.getvalue())


def write_parquet(path: Path, table: "pa.Table") -> None:
    """Writes a table as Parquet; the bytes depend on its contents alone."""
    import pyarrow.parquet as pq  # not there where a servable is served

    packed = io.BytesIO()
    pq.write_table(table, packed, compression="zstd")
    write_bytes(path, packed.getvalue())


def sync_folder(path: Path) -> None:
    """Flushes a folder's entries (names, not contents) to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
