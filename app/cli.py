"""The command line: serve, and ask an installation things, beside a running one or alone.

The program itself is loaded where something of it runs in this process (`_program`): loading takes seconds, and help, a
code of the demonstration, or a command beside a running process needs none of it.
"""

from __future__ import annotations

import base64
import gc
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NoReturn

import click

from app import beside, config
from app.choices import ATTACKS, FORMATS, TAIL_MAX, WORLDS
from app.demo import accounts
from app.kernel.errors import ConfigurationRefused, OnePayError, SchemaMismatch
from app.lock import AlreadyRunning, HomeLock, MachineLacks
from app.terminal import Shown, say, say_beside

EXIT_FAILED: Final = 1
EXIT_MACHINE: Final = 2
EXIT_RUNNING: Final = 3
EXIT_SCHEMA: Final = 4
EXIT_CONFIGURATION: Final = 5
# What a person puts right before the program can run; any other refusal is told with its code.
EXITS: Final[Mapping[type[OnePayError], int]] = {
    MachineLacks: EXIT_MACHINE,
    AlreadyRunning: EXIT_RUNNING,
    SchemaMismatch: EXIT_SCHEMA,
    ConfigurationRefused: EXIT_CONFIGURATION,
}
# What may come before an installation is first served; every other command asks one that stands.
MAKING: Final = ("admin invite",)
_HOME = click.option("--home", type=click.Path(path_type=Path), default=None, help="Folder of the installation.")

FILTER_WORDS: Final = (
    ("actor", "Who did it: an account or service."),
    ("subject", "Whom it is about."),
    ("object", "Id of a thing: a transfer, an incident, an event."),
    ("action", "Kind of event; a star at its end stands for the rest."),
    ("outcome", "success, failure or unknown."),
    ("address", "From which address or network."),
    ("request", "Id of a request."),
    ("since", "From this day (YYYY-MM-DD) or instant."),
    ("until", "Up to this day, included, or instant."),
    ("first", "First sequence."),
    ("last", "Last sequence."),
)


@click.group()
@click.version_option(package_name="onepay")
def cli() -> None:
    """OnePay: a payment and wallet core that watches itself."""


@cli.command()
@_HOME
@click.option("--port", type=int, default=None, help="Port of the pages.")
def serve(home: Path | None, port: int | None) -> None:
    """Serve an installation; the first time, its keys and databases are made."""
    settings = config.load(home=home, port=port)
    _program().serve(settings)


@cli.group("admin")
def admin_group() -> None:
    """The first two administrators."""


@admin_group.command("invite")
@click.argument("email")
@click.option("--name", required=True, help="Name of the person.")
@_HOME
def admin_invite(email: str, name: str, home: Path | None) -> None:
    """Invite one of the first two administrators; the letter holds a link that works once."""
    _run("admin invite", {"email": email, "name": name}, home)


@cli.group()
def log() -> None:
    """The tamper-evident log: look, verify, and take proofs along."""


@log.command("tail")
@click.option("-n", "--limit", type=click.IntRange(1, TAIL_MAX), default=20, help="How many events.")
@_HOME
def log_tail(limit: int, home: Path | None) -> None:
    """Print the newest numbered events."""
    _run("log tail", {"limit": limit}, home)


@log.command("verify")
@click.option("--range", "span", default=None, help="A:B, both included; all by default.")
@_HOME
def log_verify(span: str | None, home: Path | None) -> None:
    """Recompute the log and compare it with its store; exit 6 names the first places that differ."""
    first, last = _span(span)
    _run("log verify", {"first": first, "last": last}, home)


@log.command("sample")
@click.option("--seed", required=True, help="Any text of the auditor's own.")
@click.option("--from", "from_", default=None, help="First sequence, or day of arrival (YYYY-MM-DD); 1 by default.")
@click.option("--to", default=None, help="Last sequence, or day of arrival, included; the newest by default.")
@click.option("-n", "count", type=click.IntRange(1), default=25, help="How many events.")
@_HOME
def log_sample(seed: str, from_: str | None, to: str | None, count: int, home: Path | None) -> None:
    """Draw events that nobody could choose: a seed picks them, and picks the same ones again."""
    _run("log sample", {"seed": seed, "from": from_, "to": to, "count": count}, home)


@log.command("archive")
@click.option("--sequence", type=click.IntRange(1), default=None, help="Print the archived body of one event.")
@click.option("--rebuild", is_flag=True, help="Fill a lost archive again from the bodies the database has.")
@_HOME
def log_archive(sequence: int | None, rebuild: bool, home: Path | None) -> None:
    """Print what the archive holds: segments by class and month, how far it reaches, what the witness has seen."""
    _run("log archive", {"sequence": sequence, "rebuild": rebuild}, home)


@log.command("proof")
@click.argument("event")
@_HOME
def log_proof(event: str, home: Path | None) -> None:
    """Write the proof of one event, and the policy to check it by."""
    _run("log proof", {"event": event}, home)


@log.command("pack")
@click.argument("about")
@click.option("--since", type=int, default=None, help="Size of an older checkpoint to prove consistency with.")
@click.option("--range", "span", default=None, help="A:B, only events with these sequences, both included.")
@_HOME
def log_pack(about: str, since: int | None, span: str | None, home: Path | None) -> None:
    """Write a zip with one event, or all events about a transfer, wallet, account or incident, to verify elsewhere.

    ABOUT is an id, or the evidence number (EV-…) of one event.
    """
    first, last = _span(span)
    _run("log pack", {"about": about, "since": since, "first": first, "last": last}, home)


@cli.group()
def ledger() -> None:
    """The ledger: verify it, and explain its balances."""


@ledger.command("verify")
@click.option("--book", default=None, help="One book alone.")
@_HOME
def ledger_verify(book: str | None, home: Path | None) -> None:
    """Replay the ledger and compare it with the log; exit 6 names what differs."""
    _run("ledger verify", {"book": book}, home)


@ledger.command("explain")
@click.argument("book")
@_HOME
def ledger_explain(book: str, home: Path | None) -> None:
    """Print how a balance came about."""
    _run("ledger explain", {"book": book}, home)


@ledger.command("trial-balance")
@_HOME
def ledger_trial_balance(home: Path | None) -> None:
    """Print the sums of all books."""
    _run("ledger trial-balance", {}, home)


@cli.command("ingest")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--format", "format_", type=click.Choice(FORMATS), required=True)
@click.option("--source", required=True, help="Name of the system the log is from.")
@click.option(
    "--year",
    type=int,
    default=None,
    help="Year of lines that have none; else the newest that fits the file's own time.",
)
@click.option("--tz", default=None, help="Time zone of lines that have none, such as Europe/Berlin; else UTC.")
@click.option("--dry-run", is_flag=True, help="Read and count, record nothing.")
@_HOME
def ingest(
    file: Path, format_: str, source: str, year: int | None, tz: str | None, dry_run: bool, home: Path | None
) -> None:
    """Read a log of another system into ours; what was read before adds nothing."""
    arguments = {
        "file": str(file.resolve()),
        "format": format_,
        "source": source,
        "year": year,
        "tz": tz,
        "dry_run": dry_run,
    }
    _run("ingest", arguments, home)


@cli.command()
@click.option("--to", default=None, help="Letters to one address alone.")
@click.option("-n", "--limit", type=click.IntRange(1, 200), default=5, help="How many letters.")
@_HOME
def mail(to: str | None, limit: int, home: Path | None) -> None:
    """Print the newest letters of the console messenger, the newest last."""
    _run("mail", {"to": to, "limit": limit}, home)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="For programs: how far each part is behind.")
@_HOME
def status(as_json: bool, home: Path | None) -> None:
    """Print how each part does; exit 1 where nobody serves the home."""
    _run("status", {"json": as_json}, home)


@cli.group("control")
def control_group() -> None:
    """Controls: where they stand, and how that is known."""


@control_group.command("list")
@click.option("--framework", type=click.Choice(["pci", "gdpr"]), default=None, help="Only one of the two.")
@click.option("--state", default=None, help="Only controls in this state, such as FAIL or STALE.")
@_HOME
def control_list(framework: str | None, state: str | None, home: Path | None) -> None:
    """Print where every control stands."""
    _run("control list", {"framework": framework, "state": state}, home)


@control_group.command("show")
@click.argument("key")
@_HOME
def control_show(key: str, home: Path | None) -> None:
    """Print one control with its probes, papers and newest evidence; KEY is an id such as 8.4.1, or 17, or EV-…."""
    _run("control show", {"key": key}, home)


@control_group.command("run")
@click.argument("key", required=False)
@_HOME
def control_run(key: str | None, home: Path | None) -> None:
    """Ask the probes of a control now, or all probes; exit 6 where one finds a violation."""
    _run("control run", {"key": key}, home)


@control_group.command("rerun")
@click.argument("number")
@_HOME
def control_rerun(number: str, home: Path | None) -> None:
    """Read the window of an evidence number again; exit 6 where it says something else than it did."""
    _run("control rerun", {"number": number}, home)


@cli.group("retention")
def retention_group() -> None:
    """Old data: what is due, what went, and the epochs of keys."""


@retention_group.command("plan")
@click.argument("class_", metavar="CLASS", required=False)
@_HOME
def retention_plan(class_: str | None, home: Path | None) -> None:
    """Print what of a class is due, or of every class; changes nothing."""
    _run("retention plan", {"class": class_}, home)


@retention_group.command("runs")
@_HOME
def retention_runs(home: Path | None) -> None:
    """Print the newest runs."""
    _run("retention runs", {}, home)


@retention_group.command("verify")
@click.argument("run")
@_HOME
def retention_verify(run: str, home: Path | None) -> None:
    """Look again for what a run removed; exit 6 where some of it is there."""
    _run("retention verify", {"run": run}, home)


@retention_group.command("rotate-epoch")
@_HOME
def retention_rotate_epoch(home: Path | None) -> None:
    """End the present epoch of subject keys, as happens each month by itself."""
    _run("retention rotate-epoch", {}, home)


@cli.group("report")
def report_group() -> None:
    """Reports: made from rows and log as they stand at an instant."""


@report_group.command("make")
@click.argument("kind")
@click.option("--from", "since", default=None, help="First day of the period (YYYY-MM-DD); 90 days ago by default.")
@click.option("--as-of", "as_of", default=None, help="Day whose end the report is about; now by default.")
@_HOME
def report_make(kind: str, since: str | None, as_of: str | None, home: Path | None) -> None:
    """Make a report and write its files here; KIND is a name such as pci_status, or `list` for all of them."""
    _run("report make", {"kind": kind, "since": since, "as_of": as_of}, home)


@cli.group("audit")
def audit_group() -> None:
    """The audit trail: searched, sampled and taken away; each leaves its own event."""


def _filtered(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the words of a filter."""
    for name, says in reversed(FILTER_WORDS):
        command = click.option(f"--{name}", default=None, help=says)(command)
    return command


@audit_group.command("query")
@_filtered
@click.option("-n", "limit", type=click.IntRange(1, 500), default=50, help="How many of the newest.")
@click.option("--json", "as_json", is_flag=True, help="Whole documents, masked.")
@_HOME
def audit_query(limit: int, as_json: bool, home: Path | None, **words: str | None) -> None:
    """Print the newest events that fit."""
    _run("audit query", {"filter": words, "limit": limit, "json": as_json}, home)


@audit_group.command("export")
@_filtered
@_HOME
def audit_export(home: Path | None, **words: str | None) -> None:
    """Write all events that fit as JSON lines, CSV and packs with proofs."""
    _run("audit export", {"filter": words}, home)


@audit_group.command("sample")
@click.option("--seed", required=True, help="Any text of the auditor's own.")
@click.option("-n", "count", type=click.IntRange(1, 1_000), default=25, help="How many events.")
@_filtered
@_HOME
def audit_sample(seed: str, count: int, home: Path | None, **words: str | None) -> None:
    """Draw events that fit, by a seed that draws the same ones again."""
    _run("audit sample", {"filter": words, "seed": seed, "count": count}, home)


@cli.group("demo")
def demo_group() -> None:
    """A demonstration: simulated people, and an attack."""


@demo_group.command("up")
@click.option("--world", type=click.Choice(WORLDS), default="small", help="A week of life, or nobody yet.")
@click.option("--seed", type=int, default=42, help="The same seed makes the same people.")
@click.option("--port", type=int, default=None, help="Port of the pages; the next free one where it is taken.")
@_HOME
def demo_up(world: str, seed: int, port: int | None, home: Path | None) -> None:
    """Make a world of simulated people, serve it, and print the board: addresses, accounts, what to try."""
    settings = config.load(home=home, port=port, demo=True)
    _program().demonstrate(settings, world=world, seed=seed)


@demo_group.command("totp")
@_HOME
def demo_totp(home: Path | None) -> None:
    """Print passwords and present codes of the demo accounts."""
    for line in accounts.codes(config.load(home=home).home):
        say(line)


@demo_group.command("code")
@click.argument("account")
@_HOME
def demo_code(account: str, home: Path | None) -> None:
    """Print the present code of one demo account, such as `customer` or `analyst2`, and nothing else."""
    say(accounts.code_of(config.load(home=home).home, account))


@demo_group.command("replay")
@click.argument("kind", type=click.Choice(ATTACKS))
@_HOME
def demo_replay(kind: str, home: Path | None) -> None:
    """Start an attack again, live, in the running demonstration."""
    _run("demo replay", {"kind": kind}, home)


@demo_group.command("bank-line")
@click.argument("reference")
@click.argument("amount")
@click.option("--identity", default=None, help="The bank's own number of the line; the same twice is one line.")
@_HOME
def demo_bank_line(reference: str, amount: str, identity: str | None, home: Path | None) -> None:
    """Play the bank: report that money came in with a customer's reference (see their top-up page)."""
    _run("demo bank-line", {"reference": reference, "amount": amount, "identity": identity}, home)


def main() -> None:
    """Run the command line; a refusal is one sentence and an exit code."""
    if not __debug__:
        _leave("OnePay does not run with -O: assertions guard money.", EXIT_CONFIGURATION)
    os.umask(0o077)  # whatever is made from here on, databases too, is its owner's alone
    try:
        cli(standalone_mode=False)
    except click.exceptions.Abort:
        raise SystemExit(130) from None
    except click.ClickException as error:
        error.show()
        raise SystemExit(EXIT_MACHINE) from None
    except OnePayError as error:
        for kind, code in EXITS.items():
            if isinstance(error, kind):
                _leave(str(error), code)
        _leave(f"{error} ({error.code})", EXIT_FAILED)
    except OSError as error:
        _leave(f"{error.filename or 'The machine refuses'}: {error.strerror}", EXIT_MACHINE)


def _run(name: str, arguments: dict[str, Any], home: Path | None) -> None:
    """Run a command beside a running system through its admin port, else in this process."""
    settings = config.load(home=home)
    if name not in MAKING and not (settings.home / "keys").is_dir():
        raise ConfigurationRefused(
            f"There is no installation in {settings.home}/: `onepay serve` or `make up` makes one"
        )
    lock = HomeLock(settings.home)
    try:
        lock.take()
    except AlreadyRunning:
        raise SystemExit(_shown(name, beside.ask(settings.home, name, arguments))) from None
    try:
        with closing(_program().command(settings, name, arguments)) as lines:
            raise SystemExit(_shown(name, lines))
    finally:
        lock.release()


def _program() -> ModuleType:
    """Load the program. What is loaded stays loaded, so no garbage is looked for meanwhile."""
    gc.disable()
    from app import program  # not above: it is what takes seconds

    gc.enable()
    return program


def _shown(name: str, lines: Iterator[dict[str, Any]]) -> int:
    """Print what a command says, how far it has come on the error output; returns its exit code."""
    shown, code = Shown(say_beside, stderr=True), 0
    is_begun = False
    try:
        for line in lines:
            if "progress" in line:
                done, total, unit = line["progress"]
                if not is_begun:
                    shown.phase(name, total, unit)
                    is_begun = True
                shown.step(done, total)
                continue
            shown.done()
            if "text" in line:
                say(line["text"])
            if "file" in line:
                path = Path.cwd() / Path(line["file"]).name
                path.write_bytes(base64.b64decode(line["content"]))
                say(f"written: {path.name}")
            code = line.get("exit", code)
    finally:
        shown.done()
    return code


def _span(text: str | None) -> tuple[int | None, int | None]:
    if text is None:
        return None, None
    first, _, last = text.partition(":")
    if not (first.isdigit() and last.isdigit()):
        raise click.BadParameter("write A:B with whole numbers")
    return int(first), int(last)


def _leave(text: str, code: int) -> NoReturn:
    say_beside(text)
    raise SystemExit(code)
