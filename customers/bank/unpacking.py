"""Packed bank files: gzip and zip, told by how they begin and not by their name, unpacked within bounds.

What a header says of sizes is not believed: whatever comes out is counted, and a file that grows beyond MAX_BYTES in all
is refused. Archives in archives are not opened.
"""

from __future__ import annotations

import gzip
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from django.utils.translation import gettext as _

from customers.imports.problems import ImportRefused

MAX_BYTES = 500_000_000
MAX_FILES = 1000
_BLOCK = 1 << 20
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
# Read in blocks; bzip2 and LZMA give all that a few bytes unpack to at once, before it can be counted.
_COUNTED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What macOS and Windows put into archives beside the files.
_BESIDE = ("__MACOSX", ".DS_Store", "Thumbs.db")


@dataclass(frozen=True, slots=True)
class Unpacked:
    """`name` within its archive; empty for a file that came as itself."""

    path: Path
    name: str = ""


@contextmanager
def unpacked(path: Path) -> Iterator[list[Unpacked]]:
    """The file itself, or what a .gz or .zip holds, in a folder that goes when the reading is done."""
    if not path.is_file():
        raise ImportRefused("no_file", path=path)
    with path.open("rb") as file:
        start = file.read(4)
    if start[:2] == _GZIP:
        with tempfile.TemporaryDirectory(prefix="creditdesk-bank-") as folder:
            yield [Unpacked(_gunzip(path, Path(folder)))]
    elif start == _ZIP and not _is_workbook(path):
        with tempfile.TemporaryDirectory(prefix="creditdesk-bank-") as folder:
            yield _unzip(path, Path(folder))
    else:
        yield [Unpacked(path)]


def _is_workbook(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            # A workbook is packed as every archive is that spreadsheets write; another one is refused below.
            packed = all(member.compress_type in _COUNTED for member in archive.infolist())
            return packed and "[Content_Types].xml" in archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return False


def _copy(source: IO[bytes], target: Path, room: int) -> int:
    """Bytes copied; ImportRefused beyond `room`."""
    size = 0
    with target.open("wb") as out:
        while block := source.read(_BLOCK):
            size += len(block)
            if size > room:
                raise ImportRefused("too_large", bytes=f"{MAX_BYTES:,}")
            out.write(block)
    return size


def _gunzip(path: Path, folder: Path) -> Path:
    inner = Path(path.stem).suffix if path.suffix.lower() == ".gz" else ""
    target = folder / f"file{inner or '.csv'}"
    try:
        with gzip.open(path) as packed:
            _copy(cast(IO[bytes], packed), target, MAX_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise ImportRefused("unreadable", error=error) from error
    return target


def _unzip(path: Path, folder: Path) -> list[Unpacked]:
    found: list[Unpacked] = []
    room = MAX_BYTES
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and not _is_beside(m.filename)]
            if not members:
                raise ImportRefused("unreadable", error=_("the archive is empty"))
            if len(members) > MAX_FILES:
                raise ImportRefused(
                    "unreadable", error=_("the archive holds more than %(most)s files") % {"most": MAX_FILES}
                )
            if any(member.compress_type not in _COUNTED for member in members):
                raise ImportRefused(
                    "unreadable",
                    error=_("it is packed with bzip2 or the like: pack it as an ordinary zip file"),
                )
            for number, member in enumerate(sorted(members, key=lambda m: m.filename)):
                # The name inside is only shown, never used as a path.
                target = folder / f"{number}{PurePosixPath(member.filename).suffix[:8]}"
                with archive.open(member) as packed:
                    room -= _copy(packed, target, room)
                found.append(Unpacked(target, PurePosixPath(member.filename).name[:60]))
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, NotImplementedError) as error:
        raise ImportRefused("unreadable", error=error) from error
    return found


def _is_beside(name: str) -> bool:
    return any(part in _BESIDE or part.startswith("._") for part in PurePosixPath(name).parts)
