"""A real log: the same episodes in file order, shuffled, and in pieces of any size."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.kernel.access import EVENT_IMPORT_RUN, EVENT_PERSONAL_READ, ActorKind
from app.kernel.crypto import Secret
from detectors.catalog import RULES
from detectors.settings import DetectorSettings
from detectors.sigma import parse
from detectors.sigma.ast import Rule
from ingest.readers import authlog, run
from ingest.readers.run import ImportOrder
from tests.support.ground import somebody
from tests.support.pipeline import Pipeline, make_pipeline

SHARED = Path(__file__).parents[3] / "shared" / "data" / "OpenSSH_2k.log"
DATES = authlog.dates(year=2017, file_time=datetime(2018, 1, 1, tzinfo=UTC))
KEY = Secret(b"i" * 32)
# threshold, timespan: episodes and addresses, as counted by hand from the file's expanded lines
EPISODES = {("5", "60s"): (13, 11), ("10", "300s"): (7, 6), ("20", "600s"): (4, 4)}

pytestmark = pytest.mark.skipif(not SHARED.exists(), reason="the public log file OpenSSH_2k.log is not here")


def rules() -> list[Rule]:
    text = (RULES / "login_burst_source.yml").read_text("utf-8")
    made = []
    for n, (at_least, timespan) in enumerate(EPISODES):
        own = text.replace("timespan: 5m", f"timespan: {timespan}").replace("{gte: 10}", f"{{gte: {at_least}}}")
        own = own.replace("id: 6f0e2f0c", f"id: 6f0e2f0{n}")
        assert own != text or (at_least, timespan) == ("10", "300s")
        made.append(parse.rule(own, f"burst_{at_least}"))
    return made


def found(pipeline: Pipeline) -> dict[str, tuple[int, int]]:
    """Return episodes and addresses by rule."""
    alerts = pipeline.alerts()
    return {
        f"burst_{at_least}": (
            len([one for one in alerts if one.slug == f"burst_{at_least}"]),
            len({one.group["onepay.network.client"] for one in alerts if one.slug == f"burst_{at_least}"}),
        )
        for at_least, _ in EPISODES
    }


def read(pipeline: Pipeline, file: Path) -> None:
    ctx = pipeline.ground.ctx(somebody(ActorKind.SERVICE, "svc_import", EVENT_IMPORT_RUN, EVENT_PERSONAL_READ))
    run.read_file(pipeline.ground.db, ImportOrder(file=file, source="edge"), authlog.parser(DATES), ctx, key=KEY)


@pytest.mark.parametrize(
    ("order", "pieces", "slice_max"),
    [("file", 1, None), ("file", 7, 40), ("shuffled", 1, None), ("shuffled", 5, 61), ("reversed", 3, 100)],
)
def test_the_episodes_of_a_real_log_do_not_depend_on_how_it_arrives(
    tmp_path: Path, order: str, pieces: int, slice_max: int | None
) -> None:
    settings = DetectorSettings(run_events_max=slice_max) if slice_max else None
    pipeline = make_pipeline(tmp_path / "home", rules(), settings=settings)
    lines = SHARED.read_bytes().splitlines(keepends=True)
    if order == "shuffled":
        random.Random(11).shuffle(lines)
    elif order == "reversed":
        lines.reverse()
    size = -(-len(lines) // pieces)
    for n in range(pieces):
        file = tmp_path / f"part-{n}.log"
        file.write_bytes(b"".join(lines[n * size : (n + 1) * size]))
        read(pipeline, file)
        pipeline.detect()
    told = [(one.reason.partition(" ")[0], str(one.events)) for one in pipeline.alerts()]
    assert all(said == counted for said, counted in told)
    assert found(pipeline) == {f"burst_{at_least}": counts for (at_least, _), counts in EPISODES.items()}
    pipeline.close()
