"""What the server refuses before there is a request to hand on, answered like every other error."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any, Final

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.task import ErrorTask

from app.compose import System
from app.problems import UNSURE, Problem

_TOLD: Final = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("too_large", "The body is too large."),
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: ("too_large", "The headers are too large."),
    HTTPStatus.NOT_IMPLEMENTED: ("malformed", "A body is not read in this encoding."),
    HTTPStatus.INTERNAL_SERVER_ERROR: ("internal", UNSURE),
}
_UNREADABLE: Final = ("malformed", "This is no request that can be read.")


class Parser(HTTPRequestParser):
    """Takes two more things for what they are, requests that cannot be read, after which the connection ends.

    One is an address that cannot be split. The other is a body whose end has two readings (RFC 9112, 6.1): a length
    beside a transfer encoding, or a transfer encoding before HTTP/1.1. A proxy before us may have read the other one,
    and what it took for the body would be a request that nobody has checked.
    """

    def parse_header(self, header_plus: bytes) -> None:
        try:
            super().parse_header(header_plus)
        except ValueError as error:
            raise ParsingError(str(error)) from error
        is_old = "TRANSFER_ENCODING" in self.headers  # the parser takes it out where it goes by it
        if is_old or (self.chunked and "CONTENT_LENGTH" in self.headers):
            raise ParsingError("The end of the body has two readings.")


def channel(system: System) -> type[HTTPChannel]:
    """Return the kind of channel whose errors are problem documents with a request id."""

    class ProblemTask(ErrorTask):
        def execute(self) -> None:
            refused: Any = self.request  # the stub takes the request for its error
            found = HTTPStatus(refused.error.code)
            code, detail = _TOLD.get(found, _UNREADABLE)
            problem = Problem(
                status=HTTPStatus.BAD_REQUEST if found is HTTPStatus.NOT_IMPLEMENTED else found,
                code=code,
                detail=detail,
                request_id=system.ids.new("req", system.clock.now()),
                instance=getattr(refused, "path", ""),  # unread where the first line is none
            )
            body = json.dumps(problem.document()).encode()
            self.status = f"{int(problem.status)} {problem.status.phrase}"
            self.response_headers = [
                *self.response_headers,
                ("Content-Type", "application/problem+json"),
                ("X-Request-Id", problem.request_id),
                ("X-Content-Type-Options", "nosniff"),
            ]
            self.set_close_on_finish()
            self.content_length = len(body)
            self.write(body)

    class Channel(HTTPChannel):
        error_task_class = ProblemTask
        parser_class = Parser

    return Channel
