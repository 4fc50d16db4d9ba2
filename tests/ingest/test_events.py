"""The published language: every kind has its form, and what is recorded has it too."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa

from app.kernel import canonical
from app.kernel.access import ActorKind
from ingest import models
from ingest.events import catalog, expected, published
from ingest.events.access import DataRead
from ingest.events.auth import LoginFailed
from ingest.events.envelope import (
    BODY_BYTES_MAX,
    ENVELOPE,
    Event,
    EventClass,
    EventInvalid,
    FieldType,
    ecs,
    fields_of,
)
from ingest.events.external import LoginFailed as ExternalLoginFailed
from ingest.events.health import HeartbeatSent, JobFailed
from ingest.log import outbox
from tests.support import sealing
from tests.support.ground import Ground, make_ground, somebody

SAMPLES: dict[str, Any] = {
    "str": "word",
    "int": 3,
    "bool": True,
    "datetime": datetime(2026, 11, 2, tzinfo=UTC),
    "tuple[str, ...]": ("one", "two"),
}


@pytest.fixture(scope="module")
def shared_ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """One log for the tests that go over every kind."""
    made = make_ground(tmp_path_factory.mktemp("kinds"))
    yield made
    made.close()


def sample(kind: type[Event]) -> Event:
    """Return an event of the kind with every field filled by its type."""
    values = {}
    for field in dataclasses.fields(kind):
        if "ecs" in field.metadata:
            named = str(field.type).removesuffix(" | None")
            is_list = field.metadata["ecs"].type is FieldType.KEYWORDS
            values[field.name] = SAMPLES.get(named, ("one",) if is_list else "word")
            if field.metadata["ecs"].type is FieldType.IP:
                values[field.name] = "192.0.2.1"
            if field.metadata["ecs"].type is FieldType.LONG and named not in ("int",):
                values[field.name] = 3
    if kind.is_reading:
        values["view"] = "person"  # one that says what it is for
    return kind(about=("acc_subject",), **values)


def bodies(ground: Ground) -> list[dict[str, Any]]:
    with ground.db.read() as session:
        return [
            canonical.decode(body)
            for body in session.scalars(sa.select(models.outbox.c.body).order_by(models.outbox.c.n))
        ]


def assert_fits(value: Any, schema: dict[str, Any], path: str = "") -> None:
    """Hold a document against the part of JSON Schema that ours use."""
    if "const" in schema:
        assert value == schema["const"], path
    if "enum" in schema:
        assert value in schema["enum"], path
    named = schema.get("type")
    if named is not None:
        kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
        assert isinstance(value, tuple(kinds[each] for each in ([named] if isinstance(named, str) else named))), path
    if named == "object":
        assert set(schema.get("required", ())) <= value.keys(), path
        for name, part in value.items():
            assert name in schema["properties"], f"{path}.{name} is not published"
            assert_fits(part, schema["properties"][name], f"{path}.{name}")
    if named == "array":
        assert len(value) >= schema["minItems"], path
        for item in value:
            assert_fits(item, schema["items"], path)


@pytest.mark.parametrize("kind", catalog.KINDS, ids=lambda kind: kind.kind)
def test_an_event_of_every_kind_is_recorded_in_its_published_form(shared_ground: Ground, kind: type[Event]) -> None:
    sealing.record(shared_ground, sample(kind))

    body = bodies(shared_ground)[-1]
    assert_fits(body, published.schema(kind))
    assert body["event"]["action"] == kind.kind
    assert body["event"]["dataset"] == f"onepay.{kind.kind.split('.')[0]}"
    has_sealed = any(declared.personal for _, declared in fields_of(kind))
    assert has_sealed == ("personal" in body["onepay"])


@pytest.mark.parametrize("kind", catalog.KINDS, ids=lambda kind: kind.kind)
def test_a_kind_is_named_by_its_grammar_and_documented(kind: type[Event]) -> None:
    assert all(part.replace("_", "").isalpha() for part in kind.kind.split("."))
    assert kind.kind.count(".") == 2
    assert (kind.__doc__ or "").strip().endswith(".")


def test_generated_files_are_what_the_catalogue_says() -> None:
    stale = [name for name, text in published.files().items() if published._text(published.ROOT / name) != text]

    assert stale == [], "run `make docs` (python -m ingest.events.published)"


def test_no_schema_of_a_kind_that_is_gone_is_left() -> None:
    found = {file.stem for file in (published.ROOT / published.SCHEMAS).glob("*.json")}

    assert found <= set(catalog.by_kind())


def test_what_shipped_only_grows() -> None:
    before = json.loads((published.ROOT / published.SHIPPED).read_text("utf-8"))

    published.grown(before, published.shipped())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda now: now["fields"].pop("user.hash"), "the field user.hash was keyword and is gone"),
        (lambda now: now["fields"].update({"user.hash": "long"}), "the field user.hash was keyword and is long"),
        (lambda now: now["kinds"].pop("auth.login.failed"), "the kind auth.login.failed is gone"),
        (lambda now: now["kinds"]["auth.login.failed"].update({"class": "money"}), "its class was security"),
        (lambda now: now["kinds"]["auth.login.failed"]["fields"].remove("user.hash"), "lost user.hash"),
        (lambda now: now["kinds"]["auth.login.failed"]["type"].append("end"), "its type was"),
    ],
)
def test_what_shipped_cannot_be_renamed_retyped_or_removed(change: Any, told: str) -> None:
    now = json.loads(json.dumps(published.shipped()))
    change(now)

    with pytest.raises(published.Unpublished, match=told):
        published.grown(published.shipped(), now)


def test_writing_refuses_a_loss_and_leaves_the_files_alone(tmp_path: Any) -> None:
    published.write(tmp_path)
    assert published.write(tmp_path) == []
    kept = json.loads((tmp_path / published.SHIPPED).read_text())
    kept["fields"]["onepay.gone"] = "keyword"
    (tmp_path / published.SHIPPED).write_text(json.dumps(kept))
    (tmp_path / published.PAGE).write_text("old")

    with pytest.raises(published.Unpublished):
        published.write(tmp_path)

    assert (tmp_path / published.PAGE).read_text() == "old"


@pytest.mark.parametrize(
    ("categories", "types", "holds"),
    [
        (("authentication",), ("start",), True),
        (("authentication",), ("creation",), False),
        (("iam",), ("creation", "user"), True),
        (("nothing",), ("info",), False),
        ((), ("anything",), True),
        (("session", "authentication"), ("end",), True),
    ],
)
def test_only_pairs_that_ecs_expects_pass(categories: tuple[str, ...], types: tuple[str, ...], holds: bool) -> None:
    assert expected.is_expected(categories, types) == holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Odd(Event):
    """A kind that breaks a rule, made by each test."""

    kind: ClassVar[str] = "health.odd.seen"
    event_class: ClassVar[EventClass] = EventClass.OPERATIONS


def odd(**changes: Any) -> type[Event]:
    return type("Odd", (Odd,), {"__slots__": (), **changes})


def claiming(path: str) -> type[Event]:
    return dataclasses.make_dataclass("Odd", [("claim", str, ecs(path))], bases=(Odd,), frozen=True, kw_only=True)


@pytest.mark.parametrize(
    "broken",
    [
        odd(category=("authentication",), types=("creation",)),
        odd(kind="external.odd.seen"),
        odd(event_class=EventClass.EXTERNAL),
        odd(origin_of_kind="import"),
        dataclasses.make_dataclass("Bare", [("bare", str)], bases=(Odd,), frozen=True, kw_only=True),
        claiming("onepay.synthetic.run"),
        claiming("event.id"),
        claiming("event.provider"),
    ],
    ids=["pair", "not an import", "class", "origin", "undeclared field", "drill", "id", "provider"],
)
def test_a_kind_that_breaks_the_form_stops_the_start(broken: type[Event]) -> None:
    with pytest.raises(AssertionError):
        catalog.check(broken)


def test_no_path_is_both_a_value_and_a_parent() -> None:
    paths = set(catalog.columns())

    assert not [path for path in paths for other in paths if other.startswith(f"{path}.")]


def test_what_is_not_in_the_catalogue_is_not_recorded(ground: Ground) -> None:
    with pytest.raises(EventInvalid, match="not in the catalogue"):
        sealing.record(ground, Odd())

    assert bodies(ground) == []


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginFailedInDisguise(LoginFailed):
    """A class that claims a kind of another."""


def test_no_class_poses_as_another_kind(ground: Ground) -> None:
    with pytest.raises(EventInvalid):
        sealing.record(ground, LoginFailedInDisguise())


@pytest.mark.parametrize("value", [1.5, 2**53, object()])
def test_what_has_no_exact_form_is_refused_and_the_transaction_rolls_back(ground: Ground, value: Any) -> None:
    with pytest.raises(EventInvalid):
        sealing.record(ground, LoginFailed(), HeartbeatSent(component="web", outbox_rows=value))

    assert bodies(ground) == []


def test_a_body_has_neither_nulls_nor_empty_values(ground: Ground) -> None:
    sealing.record(ground, LoginFailed(reason="", identifier=None, account=None))

    (body,) = bodies(ground)
    assert "reason" not in body["event"]
    assert "user" not in body


def test_a_long_string_is_cut_and_says_so(ground: Ground) -> None:
    sealing.record(ground, JobFailed(job="é" * 5_000, error_type="x" * 7_000))

    (body,) = bodies(ground)
    assert len(body["onepay"]["health"]["job"].encode()) == 8_192
    assert body["onepay"]["truncated"] == ["onepay.health.job"]
    assert body["error"]["type"] == "x" * 7_000


def test_a_body_over_its_limit_is_a_programming_error(ground: Ground) -> None:
    with pytest.raises(EventInvalid, match="bytes"):
        sealing.record(ground, JobFailed(job="x" * 8_000, run="y" * 8_000, error_type="z" * (BODY_BYTES_MAX - 16_000)))


def test_personal_fields_are_sealed_and_open_only_with_their_key(ground: Ground) -> None:
    event = ExternalLoginFailed(provider="sshd", user_name="fztu", line="for fztu", about=("ext_1",))
    sealing.record(ground, event)

    (body,) = bodies(ground)
    assert "fztu" not in json.dumps(body)
    assert [element["s"] for element in body["onepay"]["personal"]] == ["ext_1"]


def test_personal_fields_without_a_person_are_refused(ground: Ground) -> None:
    with pytest.raises(EventInvalid, match="subject"):
        sealing.record(ground, ExternalLoginFailed(provider="sshd", user_name="fztu"))


@pytest.mark.parametrize("words", ["Has left the team", "Grace", "no\nlines", "x" * 65])
def test_words_of_people_are_no_reason_in_clear(ground: Ground, words: str) -> None:
    with pytest.raises(EventInvalid, match="sealed"):
        sealing.record(ground, LoginFailed(reason=words))

    assert bodies(ground) == []


def test_a_reading_of_personal_data_says_what_for(ground: Ground) -> None:
    sealing.record(ground, DataRead(view="person", count=1, about=("acc_1",)))
    with ground.db.begin() as session:
        asked = replace(ground.ctx(somebody(ActorKind.STAFF, "acc_2")), purpose="Help a customer who asked for help")
        outbox.record(session, DataRead(view="record", count=1, about=("acc_1",)), asked)
    with pytest.raises(EventInvalid, match="read for"):
        sealing.record(ground, DataRead(view="newsletter", count=1, about=("acc_1",)))

    said = [body["onepay"]["purpose"] for body in bodies(ground)]
    assert said == ["Look after an account", "Help a customer who asked for help"]


def test_an_import_is_an_import_whatever_the_installation_is(ground: Ground) -> None:
    ground.recording.origin = "simulated"
    sealing.record(ground, ExternalLoginFailed(provider="sshd"), LoginFailed())

    imported, own = bodies(ground)
    assert (imported["onepay"]["origin"], imported["event"]["provider"]) == ("import", "sshd")
    assert (own["onepay"]["origin"], own["event"]["provider"]) == ("simulated", "onepay")


def test_a_customer_is_the_subject_of_what_they_do(ground: Ground) -> None:
    with ground.db.begin() as session:
        outbox.record(session, LoginFailed(), ground.ctx(somebody(ActorKind.CUSTOMER, "acc_1")))
        outbox.record(session, LoginFailed(), ground.ctx(somebody(ActorKind.STAFF, "acc_2")))

    by_customer, by_staff = bodies(ground)
    assert by_customer["onepay"]["subject"]["id"] == ["acc_1"]
    assert "subject" not in by_staff["onepay"]


CARD = "4111 1111 1111 1111"


def test_a_card_number_in_free_text_is_masked_and_told_in_the_same_transaction(ground: Ground) -> None:
    text = f"paid with {CARD} and {CARD}, token=abcdef123"
    ids = sealing.record(ground, ExternalLoginFailed(provider="sshd", message=text, about=("ext_1",)))

    assert len(ids) == 1
    masked, *found = bodies(ground)
    assert masked["message"] == "paid with [card_number] and [card_number], [password]"
    told = [(body["event"]["action"], body["onepay"]["health"]) for body in found]
    of = {"field": "message", "of_event": ids[0]}
    assert told == [
        ("health.secret.found", {**of, "pattern": "card_number", "count": 2}),
        ("health.secret.found", {**of, "pattern": "password", "count": 1}),
    ]
    assert CARD not in json.dumps(bodies(ground))


def test_a_masked_secret_of_a_rolled_back_event_is_not_told(ground: Ground) -> None:
    with pytest.raises(EventInvalid):
        sealing.record(ground, ExternalLoginFailed(provider="sshd", message=CARD), Odd())
    sealing.record(ground)

    assert [body["event"]["action"] for body in bodies(ground)] == ["auth.login.failed"]


def test_every_field_of_the_envelope_is_a_column() -> None:
    assert ENVELOPE.items() <= catalog.columns().items()
