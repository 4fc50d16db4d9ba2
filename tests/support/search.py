"""A real Elasticsearch for tests: fetched once by Maven, started on loopback by an unprivileged user, ended after."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import pytest

VERSION = "9.2.4"
ARTIFACT = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{VERSION}:zip"
SHA256 = "af7b81fe31627c7523b2546351cd4e47310faa6a72c8db8dc8f7a191e871cfaf"
JAVA_MIN = 21
HEAP = "512m"
START_SECONDS_MAX = 60
MEMORY_KB_MIN = 1_500_000


class SearchMissing(Exception):
    """A part without which no search server can be started here; the test is skipped, naming it."""


@dataclass(kw_only=True)
class SearchServer:
    """A running server; `folder` is its own and goes with it."""

    url: str
    version: str
    process: subprocess.Popen[bytes] | None = None
    folder: Path | None = None

    def stop(self) -> None:
        """End it at once: nothing of it is kept, and a gentle end takes half a minute."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


def start_search() -> SearchServer:
    """Return a server that is ready, or raise `SearchMissing` with what is lacking."""
    given = os.environ.get("ONEPAY_TEST_STORE_URL")
    if given:
        return SearchServer(url=given, version="as given")
    java = newest_java()
    home = unpacked()
    if _memory_kb() < MEMORY_KB_MIN:
        raise SearchMissing("not enough free memory for Elasticsearch")
    return _started(home, java)


def search_or_skip() -> SearchServer:
    """Return a running server, or skip loudly."""
    try:
        return start_search()
    except SearchMissing as missing:
        pytest.skip(f"Elasticsearch {VERSION}: {missing}")


def newest_java() -> Path:
    """Return the home of the newest JDK that is new enough."""
    places = [Path(os.environ["JAVA_HOME"])] if "JAVA_HOME" in os.environ else []
    on_path = shutil.which("java")
    places += [Path(on_path).resolve().parents[1]] if on_path else []
    jvm = Path("/usr/lib/jvm")
    places += sorted(jvm.iterdir()) if jvm.is_dir() else []
    versions = {place: _java_version(place) for place in places if (place / "bin/java").exists()}
    best = max(versions, key=lambda place: versions[place], default=None)
    if best is None or versions[best] < JAVA_MIN:
        raise SearchMissing(f"no JDK of version {JAVA_MIN} or newer")
    return best.resolve()


def unpacked() -> Path:
    """Return the folder of the unpacked server, fetching it the first time."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))) / "onepay/search"
    cache.mkdir(parents=True, exist_ok=True)
    archive = cache / f"elasticsearch-{VERSION}.zip"
    if not archive.exists():
        if shutil.which("mvn") is None:
            raise SearchMissing("mvn is not installed")
        fetched = subprocess.run(
            ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={cache}"],
            capture_output=True,
            timeout=600,
            check=False,
        )
        if fetched.returncode or not archive.exists():
            raise SearchMissing("mvn could not fetch its artefact")
    if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
        raise SearchMissing("the fetched archive has another SHA-256 than the recipe")
    # Unprivileged users cannot look into root's home, so a server that must not run as root is unpacked beside it.
    home = (Path(tempfile.gettempdir()) / "onepay-search" if os.geteuid() == 0 else cache) / f"elasticsearch-{VERSION}"
    if not (home / "bin/elasticsearch").exists():
        _unpack(archive, home)
    return home


def _unpack(archive: Path, home: Path) -> None:
    home.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=home.parent))
    beside.chmod(0o755)
    with zipfile.ZipFile(archive) as file:
        for item in file.infolist():
            target = Path(file.extract(item, beside))
            target.chmod((item.external_attr >> 16 & 0o777) or (0o755 if target.is_dir() else 0o644))
    found = next((path.parents[1] for path in beside.glob("*/bin/elasticsearch")), None)
    if found is None:
        raise SearchMissing("the archive holds no server")
    try:
        found.rename(home)
    except OSError:  # another run was faster
        if not (home / "bin/elasticsearch").exists():
            raise
    shutil.rmtree(beside, ignore_errors=True)


def _started(home: Path, java: Path) -> SearchServer:
    folder = Path(tempfile.mkdtemp(prefix="onepay-es-"))
    config = folder / "config"
    shutil.copytree(home / "config", config)
    http, transport = _free_port(), _free_port()
    (config / "elasticsearch.yml").write_text(
        "\n".join(
            (
                "cluster.name: onepay-test",
                "network.host: 127.0.0.1",
                f"http.port: {http}",
                f"transport.port: {transport}",
                "discovery.type: single-node",
                'action.auto_create_index: "-onepay*,+*"',
                "xpack.security.enabled: false",
                "cluster.routing.allocation.disk.threshold_enabled: false",
                f"path.data: {folder / 'data'}",
                f"path.logs: {folder / 'logs'}",
                "",
            )
        ),
        encoding="utf-8",
    )
    options = config / "jvm.options.d"
    options.mkdir(exist_ok=True)
    (options / "heap.options").write_text(f"-Xms{HEAP}\n-Xmx{HEAP}\n", encoding="utf-8")
    (folder / "tmp").mkdir()
    user = _give_to_unprivileged(folder)
    with (folder / "out.log").open("wb") as out:
        process = subprocess.Popen(
            [home / "bin/elasticsearch"],
            env={
                "ES_JAVA_HOME": str(java),
                "ES_PATH_CONF": str(config),
                "ES_TMPDIR": str(folder / "tmp"),
                "HOME": str(folder),
                "PATH": "/usr/bin:/bin",
            },
            cwd=folder,
            stdout=out,
            stderr=subprocess.STDOUT,
            user=user,
            group=None if user is None else pwd.getpwnam(user).pw_gid,
            extra_groups=None if user is None else [],
            start_new_session=True,
        )
    server = SearchServer(url=f"http://127.0.0.1:{http}", version=VERSION, process=process, folder=folder)
    try:
        _wait(server, folder / "out.log")
    except BaseException:
        server.stop()
        raise
    return server


def _wait(server: SearchServer, log: Path) -> None:
    assert server.process is not None
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{server.url}/_cluster/health", timeout=2) as answer:
                if json.load(answer)["status"] in ("green", "yellow"):
                    return
        except (URLError, OSError, ValueError):
            time.sleep(0.2)
    tail = log.read_text(encoding="utf-8", errors="replace")[-2000:]
    raise AssertionError(f"Elasticsearch did not start:\n{tail}")


def _give_to_unprivileged(folder: Path) -> str | None:
    if os.geteuid() != 0:
        return None
    account = pwd.getpwnam("nobody")
    folder.chmod(0o700)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, account.pw_uid, account.pw_gid)
    return account.pw_name


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _java_version(home: Path) -> int:
    found = subprocess.run([home / "bin/java", "-version"], capture_output=True, text=True, timeout=30, check=False)
    number = re.search(r'version "(?:1\.)?(\d+)', found.stderr)
    return int(number[1]) if number else 0


def _memory_kb() -> int:
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1])
    return MEMORY_KB_MIN
