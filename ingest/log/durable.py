"""Files that a crash leaves whole: written beside their place, synced, and moved in."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

PRIVATE: Final = 0o600
PRIVATE_FOLDER: Final = 0o700


def write(file: Path, content: bytes) -> None:
    """Replace a file so that a crash leaves the old or the new one whole."""
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)
    sync(file.parent)


def append(file: Path, content: bytes) -> None:
    """Add to the end of a file and sync it; a crash may leave a part of what was added."""
    is_new = not file.exists()
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE)
    with os.fdopen(descriptor, "ab") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    if is_new:
        sync(file.parent)


def overwrite(file: Path, content: bytes) -> None:
    """Write over what lies in a file, where the disk lets us, and sync it."""
    with file.open("r+b") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())


def remove(file: Path) -> bool:
    """Delete a file for good and tell whether it was there."""
    try:
        file.unlink()
    except FileNotFoundError:
        return False
    sync(file.parent)
    return True


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, each its owner's alone, where they are missing."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    sync(folder.parent)


def sync(folder: Path) -> None:
    """Make the names in a folder last."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
