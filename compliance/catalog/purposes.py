"""The purposes of processing, read strictly from `purposes.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources

from app.kernel import crypto, documents
from app.kernel.errors import ConfigurationRefused

CONSENT = "consent"
LEGITIMATE_INTEREST = "legitimate_interest"
_BASES = (CONSENT, LEGITIMATE_INTEREST, "contract", "legal_obligation")
_KEYS = {"says", "basis", "law", "when_restricted", "recipients"}
_MORE = {"balancing", "compelling", "title", "text", "version"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """Why data is used: in words, by which basis and law, whether it goes on under restriction, who receives it.

    One that rests on consent has the text that is consented to, with its version.
    """

    id: str
    says: str
    basis: str
    law: str
    when_restricted: bool
    recipients: tuple[str, ...]
    balancing: str | None = None
    compelling: str | None = None
    """Grounds that outweigh any objection, weighed once for all (Art. 21(1))."""
    title: str = ""
    text: str = ""
    version: int = 0

    @property
    def needs_consent(self) -> bool:
        return self.basis == CONSENT

    @property
    def may_be_objected_to(self) -> bool:
        """Tell whether an objection stops it (Art. 21): what rests on an interest without compelling grounds."""
        return self.basis == LEGITIMATE_INTEREST and self.compelling is None

    @property
    def text_hash(self) -> str:
        """Return what names the text exactly."""
        return crypto.sha256(f"{self.id}\n{self.version}\n{self.text}".encode()).hex()


@cache
def shipped() -> Mapping[str, Purpose]:
    """Return the shipped purposes by their id."""
    return read(resources.files("compliance.catalog").joinpath("purposes.yaml").read_text("utf-8"))


@cache
def as_of() -> date:
    """Return the day on which the shipped purposes, and the interests in them, were last weighed."""
    text = resources.files("compliance.catalog").joinpath("purposes.yaml").read_text("utf-8")
    said = documents.load(text, name="purposes.yaml")["as_of"]
    return said if isinstance(said, date) else date.fromisoformat(str(said))


def read(text: str) -> Mapping[str, Purpose]:
    """Read purposes from YAML; raises `ConfigurationRefused` with every purpose that is wrong."""
    document = documents.load(text, name="purposes.yaml")
    found, wrong = {}, []
    for name, said in document["purposes"].items():
        unknown, missing = set(said) - _KEYS - _MORE, _KEYS - set(said)
        if unknown or missing:
            wrong.append(f"{name}: unknown {sorted(unknown)}, missing {sorted(missing)}")
            continue
        if said["basis"] not in _BASES:
            wrong.append(f"{name}: {said['basis']!r} is no basis")
        if said["basis"] == CONSENT and not {"text", "title", "version"} <= set(said):
            wrong.append(f"{name} rests on consent and has no text for it")
        if said["basis"] == LEGITIMATE_INTEREST and "balancing" not in said:
            wrong.append(f"{name} rests on a legitimate interest that nobody weighed")
        found[name] = Purpose(
            id=name,
            says=said["says"],
            basis=said["basis"],
            law=said["law"],
            when_restricted=said["when_restricted"],
            recipients=tuple(said["recipients"]),
            balancing=said.get("balancing"),
            compelling=said.get("compelling"),
            title=said.get("title", ""),
            text=said.get("text", ""),
            version=said.get("version", 0),
        )
    if wrong:
        raise ConfigurationRefused("purposes.yaml: " + "\n".join(wrong))
    return found
