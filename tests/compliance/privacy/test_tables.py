"""All that lies about a person is found by the marks alone, and nothing about somebody else."""

from __future__ import annotations

import json
from collections import Counter

import pytest
import sqlalchemy as sa

from app.identity.models import ACCOUNT_CLASS, contact
from app.kernel.access import service
from compliance.contracts.personal import FieldUnknown, PersonalDataSource, Target
from compliance.contracts.tables import MarkedTables
from compliance.contracts.walking import TooManySeeds, walk
from ingest.log import shredding
from tests.support.installation import Installation

MARKER = "zz-marker"
ME, OTHER = "acc_01M0000000000000000000PERS", "acc_01M00000000000000000000THR"


def tables(house: Installation) -> list[MarkedTables]:
    return [source for source in house.system.compliance.sources if isinstance(source, MarkedTables)]


def planted(house: Installation, subject: str, marker: str) -> None:
    ctx = house.system.context(service("selftest"))
    with house.system.db.begin() as session:
        for source in tables(house):
            assert source.plant(session, subject, marker, ctx) == len(source.markers(marker))


def collected(house: Installation, subject: str) -> str:
    sources: tuple[PersonalDataSource, ...] = house.system.compliance.sources
    with house.system.db.read() as session:
        seeds = walk(session, sources, subject)
        records = [record for source in sources for record in source.collect(session, seeds)]
    return json.dumps([[record.store, record.data, record.around] for record in records])


def test_every_marker_in_every_marked_table_is_found(either_house: Installation) -> None:
    planted(either_house, ME, MARKER)
    wanted = [marker for source in tables(either_house) for marker in source.markers(MARKER)]
    found = collected(either_house, ME)
    assert [marker for marker in wanted if marker not in found] == []
    assert len(wanted) > 10


def test_nothing_of_somebody_else_is_found(either_house: Installation) -> None:
    planted(either_house, ME, MARKER)
    planted(either_house, OTHER, "yy-other")
    found = collected(either_house, ME)
    assert "yy-other" not in found
    assert OTHER not in found


def test_what_erasure_does_to_rows_is_done_once_and_seen(either_house: Installation) -> None:
    planted(either_house, ME, MARKER)
    planted(either_house, OTHER, "yy-other")
    system = either_house.system
    ctx = system.context(service("erase"))
    with system.db.begin() as session:
        seeds = walk(session, system.compliance.sources, ME)
        plans = {source: list(source.plan(session, seeds)) for source in tables(either_house)}
    goes = {source: [t for t in plan if t.action in ("delete", "null")] for source, plan in plans.items()}
    with system.db.begin() as session:
        first = sum(
            (source.erase(session, targets, ctx, only_of=ME) for source, targets in goes.items()), start=Counter[str]()
        )
    with system.db.begin() as session:
        again = sum((source.erase(session, targets, ctx) for source, targets in goes.items()), start=Counter[str]())
        left = {source.name: source.remaining(session, targets) for source, targets in goes.items()}
    assert first["delete"] >= 5
    assert +again == Counter()
    assert set(left.values()) == {0}
    assert f"{MARKER}.app_device.label" not in collected(either_house, ME)
    assert "yy-other.app_device.label" in collected(either_house, OTHER)


def test_what_is_done_for_a_person_touches_no_row_of_somebody_else(either_house: Installation) -> None:
    planted(either_house, OTHER, "yy-other")
    system = either_house.system
    with system.db.begin() as session:
        before = collected(either_house, OTHER)
        seeds = walk(session, system.compliance.sources, OTHER)
        for source in tables(either_house):
            theirs = [target for target in source.plan(session, seeds) if target.action in ("delete", "null")]
            assert +source.erase(session, theirs, system.context(service("erase")), only_of=ME) == Counter()
    assert collected(either_house, OTHER) == before


def test_what_is_kept_says_by_which_class(either_house: Installation) -> None:
    person = either_house.customer("kept_by", euros=3)
    with either_house.system.db.read() as session:
        seeds = walk(session, either_house.system.compliance.sources, person.account)
        targets: list[Target] = [t for source in tables(either_house) for t in source.plan(session, seeds)]
    kept = {(target.store, target.forced_by) for target in targets if target.action == "keep"}
    assert ("payments_entry", "ledger.postings") in kept
    assert all(target.forced_by for target in targets if target.action == "keep")


def test_a_person_seen_by_a_wallet_is_found(installation: Installation) -> None:
    person = installation.customer("by_wallet", euros=5)
    with installation.system.db.read() as session:
        seeds = walk(session, installation.system.compliance.sources, person.account)
    kinds = {seed.kind for seed in seeds}
    assert kinds >= {"subject", "account.id", "contact"}
    assert any(seed.value.startswith("wal_") for seed in seeds)
    assert any(seed.value == "by_wallet" for seed in seeds)


def test_addresses_of_now_and_before_lead_to_their_person_until_their_key_is_gone(installation: Installation) -> None:
    person, other = installation.customer("by_address"), installation.customer("by_another")
    keys, before = installation.system.subject_keys, "amber.before@example.org"
    row = {"id": "con_before", "account_id": person.account, "account_kind": "customer", "kind": "email"}
    sealed = keys.seal_value(before, person.account, ACCOUNT_CLASS, "app_contact.value_ct.con_before")
    with installation.system.db.begin() as session:
        session.execute(sa.insert(contact).values(**row, value_ct=sealed, lookup=b"before"))

    def addresses() -> set[str]:
        with installation.system.db.read() as session:
            seeds = walk(session, installation.system.compliance.sources, person.account)
        return {seed.value for seed in seeds if seed.kind == "contact" and "@" in seed.value}

    assert addresses() == {person.address, before}
    assert other.address not in addresses()
    ctx = installation.system.context(service("erase"))
    shredding.destroy(person.account, (ACCOUNT_CLASS,), "gone", ctx, parts=installation.system.shredding, run="run_1")
    assert addresses() == set()


def test_a_search_that_does_not_end_is_stopped(installation: Installation) -> None:
    class Endless:
        name = "endless"
        count = 0

        def seeds(self, session: object, seeds: object) -> object:
            from compliance.contracts.personal import Seed

            self.count += 1
            return {Seed("account.id", f"{self.count}-{n}") for n in range(3_000)}

    with installation.system.db.read() as session, pytest.raises(TooManySeeds):
        walk(session, [Endless()], ME)  # type: ignore[list-item]


def test_a_name_is_corrected_and_only_its_hashes_are_told(installation: Installation) -> None:
    person = installation.customer("corrected")
    (identity,) = [source for source in tables(installation) if source.name == "identity"]
    ctx = installation.system.context(service("rectify"))
    with installation.system.db.begin() as session:
        change = identity.rectify(session, "app_account", person.account, "name_ct", "Amber Finch-Vale", ctx)
    assert "Amber" not in repr(change)
    assert change.before_hash != change.after_hash
    assert "Amber Finch-Vale" in collected(installation, person.account)


@pytest.mark.parametrize(
    ("store", "field"),
    [("app_account", "id"), ("app_account", "nothing"), ("payments_entry", "amount"), ("app_password", "hash")],
)
def test_what_cannot_be_corrected_is_said(installation: Installation, store: str, field: str) -> None:
    ctx = installation.system.context(service("rectify"))
    (source,) = [each for each in tables(installation) if any(t.name == store for t in each.tables)]
    with installation.system.db.begin() as session, pytest.raises(FieldUnknown):
        source.rectify(session, store, "acc_x", field, "x", ctx)


def test_ledger_rows_read_as_money(installation: Installation) -> None:
    person = installation.customer("in_euros", euros=12)
    found = collected(installation, person.account)
    assert "12.00 EUR" in found
