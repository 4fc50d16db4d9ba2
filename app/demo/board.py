"""What a visitor is told once the process serves: addresses, people, a session by curl, how to stop."""

from __future__ import annotations

import json
import shlex
import time
from typing import Any

import pyotp

from app.config import Settings
from app.demo.accounts import Account, accounts_of
from app.identity import roles


def board(settings: Settings, facts: dict[str, Any], seconds: float) -> str:
    """Return what a visitor needs: addresses, people, handles, a curl session, where data lies, how to stop."""
    url, accounts = settings.url, accounts_of(facts)
    home, at_home, make = shlex.quote(str(settings.home)), "", "make"
    if settings.home != Settings().home:  # another home than the usual one is named to each command
        at_home, make = f" --home {home}", f"ONEPAY_HOME={home} make"
    lines = [
        "",
        f"OnePay is up after {seconds:.0f} s. Demonstration data: simulated people, no real money.",
        "",
        f"  Customers       {url}/",
        f"  Console         {url}/console/",
        f"  People          {url}/admin/users",
        f"  API             {url}/api/v1/openapi.json",
        "",
        f"  Sign in as (password, then the code of now; `{make} totp` prints fresh codes)",
    ]
    now = int(time.time())  # noqa: TID251 - as in `codes`
    for account in accounts:
        code = pyotp.TOTP(account.secret).at(now)
        lines.append(f"    {account.role:<19} {account.address:<30} {account.password:<38} {code}")
    lines.append(f"    codes change in {30 - now % 30} s")
    handles = facts.get("handles", [])
    if handles:
        lines += ["", f"  Send money to   {'  '.join('@' + handle for handle in handles)}"]
    customer = next((account for account in accounts if account.role == roles.CUSTOMER), None)
    if customer is not None:
        lines += ["", "  By curl (a code works once; after a sign-in wait for the next)"]
        lines += _curl(url, customer, handles, at_home)
    lines += [
        "",
        *(_attack(at_home) if facts["world"] != "empty" else []),
        f"  Letters to these people: `{make} mail`. The data is in {home}/; `{make} reset` removes it. Ctrl-C stops.",
        "",
    ]
    return "\n".join(lines)


def _attack(at_home: str) -> list[str]:
    return [
        "  An attack begins within a minute; watch it in the console. To see another, in a second terminal:",
        f"    .venv/bin/onepay demo replay credential_stuffing{at_home}",
        "",
    ]


def _curl(url: str, customer: Account, handles: list[str], at_home: str) -> list[str]:
    code = f"'$(.venv/bin/onepay demo code customer{at_home})'"
    sign_in = json.dumps({"email": customer.address, "password": customer.password, "code": "CODE"})
    sign_in = sign_in.replace("CODE", code)
    payee = f"@{handles[0]}" if handles else "@handle"
    order = json.dumps({"payee": payee, "amount": {"amount": "1.00", "currency": "EUR"}})
    kind = "-H 'Content-Type: application/json'"
    token = """TOKEN=$(printf '%s' "$ANSWER" | sed -n 's/.*csrf_token": "\\([^"]*\\)".*/\\1/p')"""
    # Without a token the answer says why: a code that was used already, or a typing error.
    told = '[ -n "$TOKEN" ] || printf "%s\\n" "$ANSWER"'
    keys = '-H "X-CSRFToken: $TOKEN" -H "Idempotency-Key: $(date +%s)"'
    return [
        f"    ANSWER=$(curl -sc jar {kind} -d '{sign_in}' {url}/api/v1/sessions); {token}; {told}",
        f"    curl -sb jar {url}/api/v1/wallets",
        f"    curl -sb jar {kind} {keys} -d '{order}' {url}/api/v1/transfers",
    ]
