"""Operators' logs: JSON lines with ECS names, constant messages, values as fields, nothing secret."""

from __future__ import annotations

import json
import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

from app.kernel import classify
from app.kernel.clock import from_micros, rfc3339

FILE_BYTES_MAX: Final = 20_000_000
FILES_KEPT: Final = 5
_OWN: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class EcsFormatter(logging.Formatter):
    """Writes one record as one line; card numbers and secrets are masked here, whoever wrote them."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "@timestamp": rfc3339(from_micros(int(record.created * 1_000_000))),
            "log.level": record.levelname.lower(),
            "log.logger": record.name,
            "message": record.getMessage(),
        }
        line.update({key.replace("__", "."): value for key, value in record.__dict__.items() if key not in _OWN})
        if record.exc_info and record.exc_info[0] is not None:
            line["error.type"] = record.exc_info[0].__name__
            line["error.stack_trace"] = self.formatException(record.exc_info)
        text, _ = classify.redact(json.dumps(line, ensure_ascii=False, default=str))
        return text


def logger(name: str) -> logging.Logger:
    """Return the logger of a module. Fields go through `extra=`, with `__` for the dot of an ECS name."""
    return logging.getLogger(name)  # noqa: TID251 - this is the one home


def configure(level: str, *, folder: Path | None = None, console: bool = True) -> None:
    """Send records to standard error and, where a folder is given, to a rotating file in it."""
    root = logging.getLogger()  # noqa: TID251 - this is the one home
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)] if console else []
    if folder is not None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handlers.append(
            RotatingFileHandler(
                folder / "onepay.log", maxBytes=FILE_BYTES_MAX, backupCount=FILES_KEPT, encoding="utf-8"
            )
        )
    for handler in handlers:
        handler.setFormatter(EcsFormatter())
        root.addHandler(handler)
    root.setLevel(level.upper())
