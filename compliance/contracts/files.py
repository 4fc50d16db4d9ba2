"""Files beside rows: a store of their own, which ends as its rows do."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path, PurePath

from compliance.contracts.personal import StoreInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Files that belong to the rows of a table and end with them: one file or folder a row, called by its key.

    They are a store of their own: what lies in them is written by people or taken from events, and nothing searches it.
    """

    name: str
    folder: Path
    purposes: tuple[str, ...]

    def info(self, retention: str) -> StoreInfo:
        """Return what stands among the stores."""
        return StoreInfo(
            name=self.name,
            kind="files",
            category="free_text",
            retention=retention,
            on_erase="keep_to_class_end",
            origin="provided",
            export="never",
            purposes=self.purposes,
            fields=("content",),
        )

    def is_there(self, id: str) -> bool:
        """Tell whether anything of a row still lies there."""
        return self._of(id).exists()

    def remove(self, id: str) -> None:
        """Remove what lies there of a row; what is gone already is gone."""
        path = self._of(id)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def _of(self, id: str) -> Path:
        if id in ("", ".", "..") or PurePath(id).name != id:
            raise ValueError(f"{id!r} is no name of a file of {self.name}")
        return self.folder / id
