"""Keys, ciphers, signatures and digests: the one home of cryptography outside the card vault."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Final, NoReturn

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.kernel.errors import ConfigurationRefused

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12


class Unreadable(ValueError):
    """The ciphertext, key or signature does not hold."""


class Secret:
    """Bytes that never show themselves: no text form, no pickle; `reveal` is the named danger."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """Return the bytes themselves."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return hash(self.fingerprint())

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not serialised")

    def fingerprint(self) -> str:
        """Return sixteen hex digits that name the secret without telling it."""
        return hashlib.sha256(b"onepay fingerprint\n" + self._value).hexdigest()[:16]


class KeyFolder:
    """Keys as files of mode 0600 in one folder, outside every database they protect."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def path(self) -> Path:
        return self._path

    def make(self, *names: str) -> None:
        """Create the named keys where they are missing; existing ones are never touched."""
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in names:
            write_private_once(self._path / f"{name}.key", secrets.token_bytes(KEY_BYTES).hex().encode())

    def secret(self, name: str) -> Secret:
        """Return a key of 32 bytes; `ConfigurationRefused` where it is missing, short or readable by others."""
        file = self._path / f"{name}.key"
        try:
            if file.stat().st_mode & 0o077:
                raise ConfigurationRefused(f"The key file {file.name} can be read by others; its mode must be 0600.")
            value = bytes.fromhex(file.read_text("ascii").strip())
        except (OSError, ValueError) as error:
            raise ConfigurationRefused(f"The key {name} is missing or damaged.") from error
        if len(value) != KEY_BYTES:
            raise ConfigurationRefused(f"The key {name} is not {KEY_BYTES} bytes long.")
        return Secret(value)


def write_private_once(file: Path, content: bytes) -> None:
    """Write a file of mode 0600 durably unless it exists; a crash leaves none or a whole one."""
    if file.exists():
        return
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        os.link(draft, file)
    except FileExistsError:
        return
    finally:
        draft.unlink()  # also where the disk is full
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def derive(secret: Secret, purpose: str) -> Secret:
    """Return a key of its own for one purpose (HKDF-SHA-256, RFC 5869)."""
    kdf = HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=purpose.encode())
    return Secret(kdf.derive(secret.reveal()))


def sha256(data: bytes) -> bytes:
    """Return the SHA-256 digest."""
    return hashlib.sha256(data).digest()


def mac(secret: Secret, data: bytes) -> bytes:
    """Return HMAC-SHA-256 (RFC 2104)."""
    return hmac.digest(secret.reveal(), data, "sha256")


def same(left: bytes, right: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(left, right)


def random_key() -> bytes:
    """Return 32 random bytes for a key."""
    return secrets.token_bytes(KEY_BYTES)


def token() -> str:
    """Return 256 random bits as URL-safe text."""
    return secrets.token_urlsafe(32)


def seal(key: Secret, plain: bytes, aad: bytes) -> tuple[bytes, bytes]:
    """Encrypt with AES-256-GCM under a random nonce; returns (nonce, ciphertext)."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce, AESGCM(key.reveal()).encrypt(nonce, plain, aad)


def open_sealed(key: Secret, nonce: bytes, cipher: bytes, aad: bytes) -> bytes:
    """Decrypt what `seal` made; raises `Unreadable` if key, text or context differ."""
    try:
        return AESGCM(key.reveal()).decrypt(nonce, cipher, aad)
    except (InvalidTag, ValueError) as error:
        raise Unreadable("the sealed text does not open") from error


def seal_text(key: Secret, text: str, aad: str) -> bytes:
    """Encrypt a text for a column: nonce and ciphertext in one value."""
    nonce, cipher = seal(key, text.encode(), aad.encode())
    return nonce + cipher


def open_text(key: Secret, value: bytes, aad: str) -> str:
    """Decrypt a column that `seal_text` made."""
    return open_sealed(key, value[:NONCE_BYTES], value[NONCE_BYTES:], aad.encode()).decode()


def wrap(outer: Secret, inner: Secret) -> bytes:
    """Wrap a key under another (AES-KW, RFC 3394)."""
    return keywrap.aes_key_wrap(outer.reveal(), inner.reveal())


def unwrap(outer: Secret, wrapped: bytes) -> Secret:
    """Unwrap what `wrap` made; raises `Unreadable` if it was altered."""
    try:
        return Secret(keywrap.aes_key_unwrap(outer.reveal(), wrapped))
    except (keywrap.InvalidUnwrap, ValueError) as error:
        raise Unreadable("the wrapped key does not open") from error


def sign(seed: Secret, message: bytes) -> bytes:
    """Sign with Ed25519 (RFC 8032); the secret is the 32-byte seed."""
    return Ed25519PrivateKey.from_private_bytes(seed.reveal()).sign(message)


def public_key(seed: Secret) -> bytes:
    """Return the 32-byte Ed25519 public key of a seed."""
    return Ed25519PrivateKey.from_private_bytes(seed.reveal()).public_key().public_bytes_raw()


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether an Ed25519 signature holds."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
