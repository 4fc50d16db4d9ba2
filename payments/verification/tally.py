"""Whether two sides name the same ids: sums of keyed hashes tell it in little memory, however many they are."""

from __future__ import annotations

from app.kernel import crypto
from app.kernel.crypto import Secret


class Tally:
    """Adds up what was told and takes off what stands. The key is drawn anew, so nobody picks ids whose sums agree."""

    def __init__(self) -> None:
        self._key = Secret(crypto.random_key())
        self._sum = 0

    def told(self, id: str, times: int = 1) -> None:
        """Count an id on the one side; -1 where something is told to have ended."""
        self._sum += times * self._number(id)

    def stands(self, id: str) -> None:
        """Count an id on the other side."""
        self._sum -= self._number(id)

    @property
    def agrees(self) -> bool:
        """Tell whether both sides counted the same."""
        return self._sum == 0

    def _number(self, id: str) -> int:
        return int.from_bytes(crypto.mac(self._key, id.encode()))
