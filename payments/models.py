"""The tables of money: books, balances, the append-only ledger, and the orders of people."""

from __future__ import annotations

import sqlalchemy as sa

from app.kernel.db import UtcDateTime
from app.kernel.marks import personal, technical

metadata = sa.MetaData()

CLASS = "ledger.postings"
_T = technical(CLASS)
_BOOKS = ("service", "accounting")
_ACTOR = personal(
    "account.id", "actor_id", retention=CLASS, on_erase="keep_to_class_end", export="never", purposes=_BOOKS
)
_OWNER = personal("account.id", "owner_id", retention=CLASS, on_erase="keep_to_class_end", purposes=_BOOKS)
_OF_BOOK = "book_id>payments_book.owner_id"
_MONEY = personal("money", _OF_BOOK, retention=CLASS, on_erase="keep_to_class_end", origin="observed", purposes=_BOOKS)
_OWN_MONEY = personal("money", "owner_id", retention=CLASS, on_erase="keep_to_class_end", purposes=_BOOKS)
_REFERENCE = personal("free_text", "owner_id", retention=CLASS, on_erase="keep_to_class_end", purposes=_BOOKS)

book = sa.Table(
    "payments_book",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_OWNER),
    sa.Column("kind", sa.Text, nullable=False, info=_T),
    sa.Column("owner_id", sa.Text, nullable=False, info=_OWNER),
    sa.Column("currency", sa.Text, nullable=False, info=_T),
    sa.Column("label", sa.Text, nullable=False, info=_T),
    sa.Column("opened_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("closed_at", UtcDateTime, nullable=True, info=_T),
)
balance = sa.Table(
    "payments_balance",
    metadata,
    sa.Column("book_id", sa.Text, primary_key=True, info=_T),
    sa.Column("currency", sa.Text, nullable=False, info=_T),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("posted", sa.BigInteger, nullable=False, info=_MONEY),
    sa.Column("held", sa.BigInteger, nullable=False, info=_MONEY),
    sa.Column("floor", sa.BigInteger, nullable=True, info=_T),
    sa.Column("ceiling", sa.BigInteger, nullable=True, info=_T),
    sa.Column("version", sa.BigInteger, nullable=False, info=_T),
    sa.Column("last_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("forced", sa.BigInteger, nullable=False, info=_T),
)
transaction = sa.Table(
    "payments_transaction",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("kind", sa.Text, nullable=False, info=_T),
    sa.Column("object_id", sa.Text, nullable=False, info=_T),
    sa.Column("owner_id", sa.Text, nullable=False, info=_OWNER),
    sa.Column("reference", sa.Text, nullable=True, info=_REFERENCE),
    sa.Column("reverses_id", sa.Text, nullable=True, info=_T),
    sa.Column("at", UtcDateTime, nullable=False, info=_T),
    sa.Column("effective_on", sa.BigInteger, nullable=False, info=_T),
    sa.Column("actor_id", sa.Text, nullable=True, info=_ACTOR),
    sa.Column("request_id", sa.Text, nullable=False, info=_T),
    sa.Column("hash", sa.LargeBinary, nullable=False, info=_T),
    sa.Column("event_id", sa.Text, nullable=False, info=_T),
    info={"append_only": True},
)
entry = sa.Table(
    "payments_entry",
    metadata,
    sa.Column("book_id", sa.Text, primary_key=True, info=_T),
    sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False, info=_T),
    sa.Column("transaction_id", sa.Text, nullable=False, info=_T),
    sa.Column("currency", sa.Text, nullable=False, info=_T),
    sa.Column("amount", sa.BigInteger, nullable=False, info=_MONEY),
    sa.Column("held_delta", sa.BigInteger, nullable=False, info=_MONEY),
    sa.Column("balance_after", sa.BigInteger, nullable=False, info=_MONEY),
    sa.Column("held_after", sa.BigInteger, nullable=False, info=_MONEY),
    sa.Column("effective_on", sa.BigInteger, nullable=False, info=_T),
    info={"append_only": True},
)
hold = sa.Table(
    "payments_hold",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("book_id", sa.Text, nullable=False, info=_T),
    sa.Column("beneficiary_id", sa.Text, nullable=True, info=_T),
    sa.Column("amount", sa.BigInteger, nullable=False, info=_MONEY),
    sa.Column("captured", sa.BigInteger, nullable=False, info=_MONEY),
    sa.Column("released", sa.BigInteger, nullable=False, info=_MONEY),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("expires_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("object_id", sa.Text, nullable=False, info=_T),
)
_OF_SCOPE = personal("account.id", "scope", retention="operations")
idempotency = sa.Table(
    "payments_idempotency",
    metadata,
    sa.Column("scope", sa.Text, primary_key=True, info=_OF_SCOPE),
    sa.Column("key", sa.Text, primary_key=True, info=technical()),
    sa.Column("route", sa.Text, nullable=False, info=technical()),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False, info=technical()),
    sa.Column("state", sa.Text, nullable=False, info=technical()),
    sa.Column("status", sa.BigInteger, nullable=False, info=technical()),
    sa.Column(
        "body",
        sa.LargeBinary,
        nullable=False,
        info=personal("money", "scope", retention="operations", origin="observed", export="never"),
    ),
    sa.Column("object_id", sa.Text, nullable=True, info=technical()),
    sa.Column("expires_at", UtcDateTime, nullable=False, info=technical()),
)
transfer = sa.Table(
    "payments_transfer",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("owner_id", sa.Text, nullable=False, info=_OWNER),
    sa.Column("source", sa.Text, nullable=False, info=_T),
    sa.Column("target", sa.Text, nullable=False, info=_T),
    sa.Column(
        "payee",
        sa.Text,
        nullable=False,
        info=personal(
            "contact",
            "target>payments_book.owner_id",
            retention=CLASS,
            on_erase="keep_to_class_end",
            export="counterparty",
            purposes=_BOOKS,
        ),
    ),
    sa.Column("amount", sa.BigInteger, nullable=False, info=_OWN_MONEY),
    sa.Column("currency", sa.Text, nullable=False, info=_T),
    sa.Column("fee", sa.BigInteger, nullable=False, info=_OWN_MONEY),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("reason", sa.Text, nullable=True, info=_T),
    sa.Column("version", sa.BigInteger, nullable=False, info=_T),
    sa.Column("reference", sa.Text, nullable=True, info=_REFERENCE),
    sa.Column(
        "signed_ct",
        sa.LargeBinary,
        nullable=False,
        info=personal("free_text", "owner_id", retention=CLASS, on_erase="shred", export="reveal"),
    ),
    sa.Column("signed_hash", sa.LargeBinary, nullable=False, info=_T),
    sa.Column("at", UtcDateTime, nullable=False, info=_T),
)
handle = sa.Table(
    "payments_handle",
    metadata,
    sa.Column(
        "name",
        sa.Text,
        primary_key=True,
        info=personal("contact", "owner_id", retention=CLASS, on_erase="keep_to_class_end"),
    ),
    sa.Column("owner_id", sa.Text, nullable=False, info=_OWNER),
    sa.Column("claimed_at", UtcDateTime, nullable=False, info=_T),
    sa.Column("released_at", UtcDateTime, nullable=True, info=_T),
)
bank_reference = sa.Table(
    "payments_bank_reference",
    metadata,
    sa.Column(
        "reference",
        sa.Text,
        primary_key=True,
        info=personal("account.id", "owner_id", retention=CLASS, on_erase="keep_to_class_end"),
    ),
    sa.Column("owner_id", sa.Text, nullable=False, info=_OWNER),
)
topup = sa.Table(
    "payments_topup",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("owner_id", sa.Text, nullable=False, info=_OWNER),
    sa.Column("book_id", sa.Text, nullable=False, info=_T),
    sa.Column("line", sa.Text, nullable=False, info=_T),
    sa.Column("amount", sa.BigInteger, nullable=False, info=_OWN_MONEY),
    sa.Column("currency", sa.Text, nullable=False, info=_T),
    sa.Column("state", sa.Text, nullable=False, info=_T),
    sa.Column("version", sa.BigInteger, nullable=False, info=_T),
    sa.Column("at", UtcDateTime, nullable=False, info=_T),
)
restraint = sa.Table(
    "payments_restraint",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, info=_T),
    sa.Column("kind", sa.Text, nullable=False, info=_T),
    sa.Column(
        "target",
        sa.Text,
        nullable=False,
        info=personal(
            "account.id", "target", retention="incident", on_erase="keep_to_class_end", purposes=("security",)
        ),
    ),
    sa.Column("until", UtcDateTime, nullable=False, info=_T),
    sa.Column("reason", sa.Text, nullable=False, info=_T),
    sa.Column("key", sa.Text, nullable=False, info=_T),
    sa.Column(
        "by_id",
        sa.Text,
        nullable=True,
        info=personal("staff", "by_id", retention="incident", on_erase="keep_to_class_end", export="never"),
    ),
    sa.Column("at", UtcDateTime, nullable=False, info=_T),
    sa.Column("released_at", UtcDateTime, nullable=True, info=_T),
    sa.Column(
        "released_by_id",
        sa.Text,
        nullable=True,
        info=personal("staff", "released_by_id", retention="incident", on_erase="keep_to_class_end", export="never"),
    ),
    sa.Column("release_key", sa.Text, nullable=True, info=_T),
)
