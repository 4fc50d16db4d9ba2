"""What the services of identity work with: policy, keys, hasher. Made once by `compose`."""

from __future__ import annotations

from dataclasses import dataclass

from app.identity.password_filter import PasswordFilter
from app.identity.passwords import Hasher
from app.identity.policy import SecurityPolicy
from app.kernel.crypto import Secret
from ingest.log.subject_keys import SubjectKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """`lookup` keys the hashes of addresses, `credentials` the secrets of factors, `messages` queued letters."""

    policy: SecurityPolicy
    hasher: Hasher
    common: PasswordFilter
    subject_keys: SubjectKeys
    lookup: Secret
    credentials: Secret
    messages: Secret
    public_url: str
