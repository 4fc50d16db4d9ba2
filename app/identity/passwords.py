"""Passwords: what is allowed, and how they are kept (Argon2id over a peppered HMAC)."""

from __future__ import annotations

import base64
import secrets
import threading
import unicodedata
from itertools import pairwise
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.identity.password_filter import PasswordFilter
from app.identity.policy import SecurityPolicy
from app.kernel.crypto import Secret, mac
from app.kernel.errors import Invalid, Unavailable

MEMORY_KIB: Final = 46 * 1024
PEPPER_ID: Final = "pepper-1"
_REPEAT_SHARE: Final = 4


class PasswordRefused(Invalid):
    """The password is not allowed."""

    code = "password_refused"


class HashingBusy(Unavailable):
    """Too many people are signing in at this moment; please try again in a few seconds."""

    code = "sign_in_busy"


class Hasher:
    """Runs Argon2id in a bounded number of slots, so that a rush of sign-ins cannot take the memory."""

    def __init__(self, pepper: Secret, policy: SecurityPolicy, *, memory_kib: int = MEMORY_KIB) -> None:
        """`memory_kib` is lowered by tests that hash by the hundred, never by a profile."""
        self._pepper = pepper
        self._policy = policy
        self._argon = PasswordHasher(time_cost=1, memory_cost=memory_kib, parallelism=1)
        self._slots = threading.BoundedSemaphore(policy.hash_slots)
        self._dummy = f"$argon2id$v=19$m={memory_kib},t=1,p=1${_base64(16)}${_base64(32)}"
        self.runs = 0

    def hash(self, password: str) -> str:
        """Return the encoded hash of a password."""
        with self._slot():
            return self._argon.hash(self._peppered(password))

    def verify(self, encoded: str | None, password: str) -> bool:
        """Tell whether the password is the one that was hashed; without a hash the same work is done in vain.

        Raises `HashingBusy` if no slot is free within two seconds.
        """
        with self._slot():
            self.runs += 1
            try:
                self._argon.verify(encoded or self._dummy, self._peppered(password))
            except (VerificationError, InvalidHashError):
                return False
            return encoded is not None

    def renewed(self, encoded: str | None, password: str) -> str | None:
        """Return a new hash of a right password whose old one was made with other parameters, else None (PWD-3)."""
        if encoded is None or not self._argon.check_needs_rehash(encoded):
            return None
        return self.hash(password)

    def _peppered(self, password: str) -> bytes:
        return mac(self._pepper, normal(password).encode("utf-8", "surrogatepass"))

    def _slot(self) -> _Slot:
        return _Slot(self._slots, self._policy.hash_wait_seconds)


def _base64(count: int) -> str:
    """Return so many random bytes as Argon2 writes them: what nobody's password leads to."""
    return base64.b64encode(secrets.token_bytes(count)).decode().rstrip("=")


class _Slot:
    def __init__(self, slots: threading.BoundedSemaphore, wait_seconds: int) -> None:
        self._slots, self._wait_seconds = slots, wait_seconds

    def __enter__(self) -> None:
        if not self._slots.acquire(timeout=self._wait_seconds):
            raise HashingBusy(retry_after=2)

    def __exit__(self, *_: object) -> None:
        self._slots.release()


def normal(password: str) -> str:
    """Return the form that is hashed (NFC); nothing is trimmed or cut."""
    return unicodedata.normalize("NFC", password)


def check(
    password: str, *, policy: SecurityPolicy, common: PasswordFilter, has_factor: bool, own_words: tuple[str, ...]
) -> None:
    """Raise `PasswordRefused` naming the rule that a new password breaks."""
    text = normal(password)
    least = policy.password_min if has_factor else policy.password_min_alone
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise PasswordRefused("The password holds characters that are not text.", param="password")
    if len(text) < least:
        raise PasswordRefused(f"Use at least {least} characters. A few unrelated words work well.", param="password")
    if len(text) > policy.password_max:
        raise PasswordRefused(f"Use at most {policy.password_max} characters.", param="password")
    if text in common:
        raise PasswordRefused("This password is among the most common ones. Choose another.", param="password")
    folded = text.casefold()
    for word in ("onepay", *own_words):
        if len(word) >= _REPEAT_SHARE and word.casefold() in folded:
            raise PasswordRefused("Leave out your name, your address and our name.", param="password")
    if _is_pattern(folded):
        raise PasswordRefused("This is a repeated or running pattern. Choose another.", param="password")


def _is_pattern(text: str) -> bool:
    if len(set(text)) <= len(text) // _REPEAT_SHARE:
        return True
    for size in range(1, len(text) // 2 + 1):
        if text == (text[:size] * len(text))[: len(text)]:
            return True
    steps = {ord(b) - ord(a) for a, b in pairwise(text)}
    return steps in ({1}, {-1})
