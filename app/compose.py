"""Joining the parts: the one place that knows every package and hands each what it needs of the others."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from importlib.metadata import version
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from app import canaries, deployed, doors
from app.config import Settings
from app.doors import Doors
from app.failing import Failing
from app.gateway import privacy as gateway_privacy
from app.gateway.networks import Blocked, BlockNetwork
from app.gateway.networks import metadata as gateway_tables
from app.gateway.pipeline import Gateway
from app.gateway.proxies import TrustedProxies
from app.identity import accounts, contradictions, evidence, password_filter, reminders, role_grants
from app.identity import privacy as identity_privacy
from app.identity.approvals import ApprovalBook
from app.identity.containment import LockAccount, RevokeSessions, ToldHold
from app.identity.disown import HoldOutgoing
from app.identity.models import metadata as identity_tables
from app.identity.parts import Identity
from app.identity.passwords import Hasher
from app.identity.policy import SecurityPolicy
from app.identity.reviewing import RoleReviews
from app.kernel import crypto
from app.kernel.access import PRIVACY_BREACH_WRITE, Actor, ActorKind, service
from app.kernel.clock import Clock, SystemClock
from app.kernel.containment import Containment
from app.kernel.context import Context
from app.kernel.crypto import KeyFolder
from app.kernel.db import Database
from app.kernel.ids import Ids, RandomIds
from app.kernel.logs import logger
from app.kernel.metrics import Metrics
from app.messaging.console import ConsoleMessenger
from app.oauth.guard import PLAIN, SECURE
from compliance.attest import baselines
from compliance.attest import kinds as paper_kinds
from compliance.attest import reading as papers
from compliance.attest import source as papers_source
from compliance.attest.models import metadata as papers_tables
from compliance.attest.parts import Cabinet, Desk
from compliance.audit import export as audit_export
from compliance.audit import kinds as audit_kinds
from compliance.audit import source as audit_source
from compliance.audit.models import metadata as audit_tables
from compliance.catalog import controls
from compliance.contracts.probes import Probe, Use
from compliance.engine import source as controls_source
from compliance.engine.observe import Observer
from compliance.engine.parts import Parts as Engine
from compliance.engine.parts import Settings as Figures
from compliance.models import metadata as compliance_tables
from compliance.privacy import graph
from compliance.privacy import kinds as privacy_kinds
from compliance.privacy import source as privacy_source
from compliance.privacy.events import EventSource
from compliance.privacy.gate import Gate
from compliance.privacy.models import metadata as privacy_tables
from compliance.privacy.parts import Privacy
from compliance.probes import log as log_probes
from compliance.probes import marks, scanner, storage, usage
from compliance.probes import recipients as recipient_probes
from compliance.probes import registers as register_probes
from compliance.probes import reviews as review_probes
from compliance.probes import rights as rights_probes
from compliance.probes import scans as scan_probes
from compliance.probes import selftest as selftest_probes
from compliance.probes.decided import probe as decision_probes
from compliance.registers import breach_decision, breach_handling, breaches, processing
from compliance.registers import source as registers_source
from compliance.registers.models import metadata as register_tables
from compliance.registers.parts import Registers
from compliance.reports import kinds as report_kinds
from compliance.reports import source as reports_source
from compliance.reports.models import metadata as report_tables
from compliance.reports.parts import Reports
from compliance.retention import approving as retention_approving
from compliance.retention import holds as retention_holds
from compliance.retention import policies as retention_policies
from compliance.retention import source as retention_source
from compliance.retention.models import metadata as retention_tables
from compliance.retention.parts import Retention
from compliance.reviews import source as reviews_source
from compliance.reviews.campaigns import Sources
from compliance.reviews.models import metadata as reviews_tables
from compliance.scans import source as scans_source
from compliance.scans import standing as scan_standing
from compliance.scans.models import metadata as scans_tables
from compliance.settings import PrivacySettings
from compliance.system import Compliance
from detectors import catalog as rules
from detectors import evidence as detection
from detectors import privacy as detectors_privacy
from detectors.models import metadata as detectors_tables
from detectors.runner import Runner
from ingest.log import checkpoint, epochs
from ingest.log.archive import Archive
from ingest.log.checkpoint import LogKey, Signer
from ingest.log.epochs import EpochFolder
from ingest.log.forgetting import Parts as Forgetting
from ingest.log.outbox import RECORDING, Recording
from ingest.log.pressure import Watch
from ingest.log.rounds import Rounds
from ingest.log.sequencer import Sequencer
from ingest.log.shredding import Parts as Shredding
from ingest.log.subject_keys import SubjectKeys
from ingest.log.witness import FileWitness
from ingest.models import metadata as ingest_tables
from ingest.settings import ArchiveSettings, DuckSettings, ElasticSettings, ShipperSettings, StoreSettings
from ingest.shipper import Shipper
from ingest.store import backends
from ingest.store.port import EventStore, StoreUnavailable
from payments import privacy as payments_privacy
from payments import wallets
from payments.containment import HoldOutgoing as HoldOutgoingAction
from payments.models import metadata as payments_tables
from playbooks import cases, joining
from playbooks import evidence as responding
from playbooks import privacy as playbooks_privacy
from playbooks.decisions import AutomaticActions
from playbooks.engine import shipped as playbooks
from playbooks.models import metadata as playbooks_tables
from playbooks.parts import Parts as Response

TABLES: Final = (
    identity_tables,
    gateway_tables,
    compliance_tables,
    papers_tables,
    reviews_tables,
    scans_tables,
    privacy_tables,
    register_tables,
    retention_tables,
    report_tables,
    audit_tables,
    detectors_tables,
    ingest_tables,
    payments_tables,
    playbooks_tables,
)
"""The tables of the main database, all of them."""
KEYS: Final = ("identity", "pepper")
ORIGIN: Final = "onepay.example/log"
_log: Final = logger(__name__)


@dataclass(slots=True, kw_only=True)
class System:
    """One running installation: everything the edges may call. Two of them can live in one process."""

    settings: Settings
    clock: Clock
    ids: Ids
    keys: KeyFolder
    log_key: LogKey
    db: Database
    keys_db: Database
    subject_keys: SubjectKeys
    recording: Recording
    sequencer: Sequencer
    archive: Archive
    signer: Signer
    rounds: Rounds
    forgetting: Forgetting
    store: EventStore
    """As pages ask it: a search server that is silent keeps nobody waiting for long."""
    working_store: EventStore
    """As jobs and commands ask it, with patience."""
    shipper: Shipper
    identity: Identity
    approvals: ApprovalBook
    """Four eyes: kinds are declared in `_approvals`; services get it as the port `kernel.approvals.Approvals`."""
    messenger: ConsoleMessenger
    gateway: Gateway
    metrics: Metrics
    response: Response
    runner: Runner
    controls: Observer
    desk: Desk
    """Where people sign: attestations, exceptions, risk analyses, baselines."""
    reviews: Sources
    retention: Retention
    registers: Registers
    reports: Reports
    doors: Doors
    watch: Watch
    failing: Failing
    hold_outgoing: HoldOutgoing
    compliance: Compliance
    is_served: bool = False
    """Pumps and jobs run in this process; without them whoever needs the log to go on does it by hand."""
    is_draining: bool = False
    """The process is stopping: what has begun is answered, and nothing new is taken."""
    replay: Callable[[str], str] | None = None
    """Starts an attack of the demonstration again; set while a demonstration is being served."""

    def context(self, actor: Actor, at: datetime | None = None) -> Context:
        """Return the context of something that no request asked for: a job, a command, the simulator's history."""
        moment = at or self.clock.now()
        return Context(actor=actor, at=moment, request_id=self.ids.new("run", moment), ids=self.ids)

    def job_context(self, name: str, at: datetime) -> Context:
        """Return the context of a job of our own."""
        return self.context(service(name), at)

    @property
    def shredding(self) -> Shredding:
        """Return what destroying keys needs: it waits for its event to be numbered."""
        return Shredding(keys=self.subject_keys, db=self.db, wait=self.wait)

    def wait(self, event_id: str) -> int:
        """Return the sequence of a committed event once it has one; where nothing is served, number it here."""
        if not self.is_served:
            self.sequencer.drain()
        return self.sequencer.wait(event_id)

    def close(self) -> None:
        """Give back what is open."""
        self.store.close()
        if self.working_store is not self.store:
            self.working_store.close()
        self.db.close()
        self.keys_db.close()


def make_keys(settings: Settings) -> KeyFolder:
    """Create the keys an installation lacks; existing ones are never touched."""
    folder = KeyFolder(settings.home / "keys")
    folder.make(*KEYS)
    if not EpochFolder(folder).any():
        folder.make(epochs.name_of(epochs.FIRST))
    checkpoint.init(folder, ORIGIN)
    return folder


def missing_keys(settings: Settings) -> tuple[str, ...]:
    """Name the key files that are not there."""
    names = [f"{name}.key" for name in (*KEYS, checkpoint.KEY_NAME)]
    if not EpochFolder(KeyFolder(settings.home / "keys")).any():
        # Epochs come and go; without the key of any of them no person's data opens.
        names.append(f"{epochs.name_of(epochs.FIRST)}.key")
    return tuple(name for name in names if not (settings.home / "keys" / name).exists())


def make_system(
    settings: Settings, *, clock: Clock | None = None, ids: Ids | None = None, store: EventStore | None = None
) -> System:
    """Join a system over databases that are migrated and keys that are made; a given store is not opened yet."""
    clock, ids = clock or SystemClock(), ids or RandomIds()
    keys = KeyFolder(settings.home / "keys")
    keys_db = Database(settings.keys_database)
    epoch_keys = EpochFolder(keys)
    with keys_db.read() as session:
        epochs.check(session, epoch_keys)
    subject_keys = SubjectKeys(keys_db, epoch_keys, clock)
    recording = Recording(
        seal=subject_keys.seal,
        origin="simulated" if settings.demo else "live",
        version=version("onepay"),
        environment=settings.profile,
    )
    db = Database(settings.main_database, info={RECORDING: recording})
    working_store = store or backends.make(_store_settings(settings))
    store = store or backends.for_pages(_store_settings(settings), working_store)
    identity = _identity(settings, keys, subject_keys)
    approvals = ApprovalBook(identity)
    archive = Archive(ArchiveSettings(folder=settings.archive_folder), ids=ids)
    compliance = _compliance(settings, keys, identity, subject_keys, working_store, archive, approvals)
    is_open = _opened(working_store, store)
    sequencer = Sequencer(db, clock, holder=_holder(settings), ids=ids)
    shipper = Shipper(db, working_store, clock, settings=ShipperSettings(), ids=ids, is_open=is_open)
    proxies = TrustedProxies(settings.proxies)
    is_tls = settings.url.startswith("https:")  # a proxy in front ends TLS
    gateway = Gateway(
        db=db,
        clock=clock,
        ids=ids,
        proxies=proxies,
        blocked=Blocked(db, clock),
        hosts=_hosts(settings),
        origins=_origins(settings),
        cookies=SECURE if is_tls else PLAIN,
        pre_session=crypto.derive(keys.secret("identity"), "pre-session"),
        is_tls=is_tls,
        look=_nothing_known,
    )
    actions: tuple[Containment, ...] = (
        RevokeSessions(identity),
        LockAccount(identity),
        ToldHold(HoldOutgoingAction(), identity),
        BlockNetwork(proxies),
    )
    log_key = checkpoint.load(keys, ORIGIN)
    witness = FileWitness(db, log_key.verifier, settings.witness_folder, beside=settings.home, ids=ids)
    metrics = Metrics()
    registers = Registers(
        sources=compliance.sources,
        approvals=approvals,
        incident_exists=cases.exists,
        settings=compliance.privacy.settings,
    )
    response = playbooks.parts(
        {action.name: action for action in actions},
        contradictions=contradictions.KNOWN,
        open_breach=partial(_open_breach, registers),
    )
    runner = Runner(
        db, working_store, clock, ids, rules.shipped(), sink=partial(joining.accept, parts=response), metrics=metrics
    )
    entrances = Doors()
    forgetting = Forgetting(db=db, store=working_store, target=shipper.target, archive=archive)
    retention = Retention(
        sources=compliance.sources,
        log=forgetting,
        approvals=approvals,
        subject_exists=accounts.exists,
        roles=accounts.roles_of,
    )
    approvals.declare(breach_decision.kind(approvals), processing.kind(approvals, registers))
    reviews = (RoleReviews(approvals),)
    asked = _probes(settings, db, identity, runner, entrances, response, reviews, compliance, retention, registers)
    engine = _engine(settings, shipper, probes=asked)
    desk = Desk(
        catalogue=engine.catalogue,
        approvals=approvals,
        live={evidence.people.MATRIX: lambda session: evidence.people.matrix()},
        remind=reminders.sender(identity),
        lack=lambda session, key, at: scan_standing.lack(session, key, at.date(), anchor=settings.assessment_anchor),
        cabinet=Cabinet(
            folder=settings.home / "evidence",
            key=crypto.derive(keys.secret("identity"), "evidence"),
            catalogue=engine.catalogue,
        ),
    )
    _declare(approvals, identity, compliance)
    rounds = Rounds(
        db=db, store=working_store, target=shipper.target, archive=archive, key=log_key, clock=clock, ids=ids
    )
    reports = Reports(
        db=db,
        clock=clock,
        store=working_store,
        engine=engine,
        registers=registers,
        archive=archive,
        rounds=rounds,
        policy=lambda: checkpoint.read_policy(keys),
        approvals=approvals,
        folder=settings.home / "reports",
        makers={**report_kinds.MAKERS, **audit_kinds.MAKERS},
    )
    approvals.declare(*paper_kinds.kinds(desk))
    return System(
        settings=settings,
        clock=clock,
        ids=ids,
        keys=keys,
        log_key=log_key,
        db=db,
        keys_db=keys_db,
        subject_keys=subject_keys,
        recording=recording,
        sequencer=sequencer,
        archive=archive,
        signer=Signer(db=db, key=log_key, archive=archive, witnesses=(witness,)),
        rounds=rounds,
        forgetting=forgetting,
        retention=retention,
        registers=registers,
        reports=reports,
        store=store,
        working_store=working_store,
        shipper=shipper,
        identity=identity,
        approvals=approvals,
        messenger=ConsoleMessenger(settings.home / "mail"),
        gateway=gateway,
        metrics=metrics,
        runner=runner,
        controls=Observer(db, working_store, clock, ids, engine),
        desk=desk,
        reviews=reviews,
        doors=entrances,
        watch=Watch(db, recording, settings.home, ids=ids),
        failing=Failing(db=db),
        response=response,
        hold_outgoing=wallets.hold_reported,
        compliance=compliance,
    )


def _probes(
    settings: Settings,
    db: Database,
    identity: Identity,
    runner: Runner,
    entrances: Doors,
    response: Response,
    reviews: Sources,
    compliance: Compliance,
    retention: Retention,
    registers: Registers,
) -> Mapping[str, Probe]:
    asked = (
        *evidence.probes(identity),
        *detection.probes(runner),
        *responding.probes(),
        *deployed.probes(),
        doors.probe(entrances),
        canaries.probe(list(runner.rules.values()), response),
        *log_probes.probes(db),
        *marks.probes(TABLES),
        *scanner.probes(TABLES),
        *review_probes.probes(reviews),
        *scan_probes.probes(settings.assessment_anchor),
        *rights_probes.probes(compliance.privacy),
        storage.probe(compliance.privacy, retention),
        *usage.probes(compliance.privacy, compliance.gate),
        *recipient_probes.probes(compliance.privacy),
        *selftest_probes.probes(),
        *register_probes.probes(registers),
        decision_probes.probe(),
    )
    probes = {probe.name: probe for probe in asked}
    assert len(probes) == len(asked), "two probes have one name"
    return probes


def _engine(settings: Settings, shipper: Shipper, *, probes: Mapping[str, Probe]) -> Engine:
    return Engine(
        catalogue=controls.shipped(probes),
        probes=probes,
        profile=settings.profile,
        build=version("onepay"),
        host=platform.node(),
        settings=Figures(assessment_anchor=settings.assessment_anchor),
        papers=papers.papers,
        baseline=baselines.in_force,
        shipped=shipper.standing,
        in_use=_is_in_use,
    )


def _is_in_use(session: Session, use: Use) -> bool:
    return accounts.any_held(session, ActorKind.CUSTOMER if use is Use.CUSTOMERS else None)


def _identity(settings: Settings, keys: KeyFolder, subject_keys: SubjectKeys) -> Identity:
    master, policy = keys.secret("identity"), SecurityPolicy()
    return Identity(
        policy=policy,
        hasher=Hasher(keys.secret("pepper"), policy),
        common=password_filter.load(),
        subject_keys=subject_keys,
        lookup=crypto.derive(master, "lookup"),
        credentials=crypto.derive(master, "credentials"),
        messages=crypto.derive(master, "messages"),
        public_url=settings.url,
    )


def _compliance(
    settings: Settings,
    keys: KeyFolder,
    identity: Identity,
    subject_keys: SubjectKeys,
    store: EventStore,
    archive: Archive,
    approvals: ApprovalBook,
) -> Compliance:
    hashing = identity_privacy.hashing(identity)
    sources = (
        identity_privacy.source(identity),
        gateway_privacy.source(hashing),
        payments_privacy.source(subject_keys, hashing),
        detectors_privacy.source(hashing),
        playbooks_privacy.source(hashing),
        controls_source.source(hashing),
        papers_source.source(hashing, settings.home / "evidence"),
        reviews_source.source(hashing),
        scans_source.source(hashing),
        retention_source.source(hashing),
        reports_source.source(hashing, settings.home / "reports"),
        audit_source.source(hashing),
        registers_source.source(hashing),
        privacy_source.source(subject_keys, hashing),
        EventSource(store, subject_keys),
    )
    graph.demand(sources)
    # A demonstration has no three days to wait.
    rules = PrivacySettings(erase_delay=timedelta(minutes=2)) if settings.demo else PrivacySettings()
    privacy = Privacy(
        sources=sources,
        decisions=(AutomaticActions(),),
        obstacles=(payments_privacy.obstacles,),
        people=identity_privacy.People(identity),
        approvals=approvals,
        keys=subject_keys,
        store=store,
        archive=archive,
        settings=rules,
        folder=settings.home / "packages",
        policy=lambda: checkpoint.read_policy(keys),
        public_url=settings.url,
    )
    return Compliance(sources=sources, privacy=privacy, gate=Gate())


def _declare(book: ApprovalBook, identity: Identity, compliance: Compliance) -> None:
    """Put the kinds of every owner into the book of approvals."""
    book.declare(*role_grants.kinds(book, parts=identity))
    book.declare(*privacy_kinds.kinds(compliance.privacy, book))
    book.declare(audit_export.kind(book))
    book.declare(retention_policies.kind(book), retention_holds.kind(book), retention_approving.kind(book))


def _open_breach(registers: Registers, session: Session, incident: str, title: str, ctx: Context) -> str:
    """Start the clock of a breach for a playbook: whoever runs it was certain at that instant."""
    ours = replace(ctx, actor=service("breaches", PRIVACY_BREACH_WRITE))
    found = breaches.Found(title=title, aware_at=ctx.at, incident=incident)
    return breach_handling.open_breach(session, found, ours, parts=registers)


def _store_settings(settings: Settings) -> StoreSettings:
    if settings.store == "elastic":
        urls = tuple(url.strip() for url in settings.store_urls.split(","))
        return StoreSettings(
            backend="elastic", namespace=settings.store_namespace, elastic=ElasticSettings(urls=urls, origin=ORIGIN)
        )
    return StoreSettings(
        backend="duck", namespace=settings.store_namespace, duck=DuckSettings(folder=settings.home / "events")
    )


def _opened(store: EventStore, pages: EventStore) -> bool:
    """Open the store, or leave it to the shipper: payments go on while a search cluster is away."""
    try:
        if pages is not store:
            pages.coverage(0, 0)  # whether it answers is known sooner than whether it can be opened
        store.open()
    except StoreUnavailable as error:
        _log.warning("The event store is away and is opened once it answers: %s", error)
        return False
    return True


def _hosts(settings: Settings) -> frozenset[str]:
    return frozenset({"localhost", "127.0.0.1", "::1", urlsplit(settings.url).hostname or "localhost"})


def _origins(settings: Settings) -> frozenset[str]:
    local = {f"http://{host}:{settings.port}" for host in ("localhost", "127.0.0.1", "[::1]")}
    return frozenset({settings.url, *local})


def _holder(settings: Settings) -> str:
    return "embedded" if settings.profile == "embedded" else f"worker-{crypto.token()[:8]}"


def _nothing_known(address: str) -> dict[str, object]:
    return {}
