"""The child that sets a PDF: a process of its own with little memory, little time and no network; data comes as JSON.

Run as a file, with a request on its standard input; answers with the PDF, or with what was wrong and code 1.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sys

BYTES_MAX = 1 << 30
SECONDS_MAX = 60
_NEW_USER, _NEW_NET = 0x10000000, 0x40000000


def main() -> int:
    """Read a request, set the document, and write the PDF."""
    asked = json.loads(sys.stdin.buffer.read())
    _confine()
    import typst

    try:
        data = typst.compile(
            asked["main"],
            root=asked["root"],
            format="pdf",
            sys_inputs={"data": asked["data"]},
            pdf_standards=["a-2a", "ua-1"],
            ignore_system_fonts=True,
            timestamp=asked["at"],
            package_path=asked["root"],
            package_cache_path=asked["root"],
        )
    except (RuntimeError, MemoryError) as error:
        sys.stderr.write(str(error))
        return 1
    sys.stdout.buffer.write(data)
    return 0


def _confine() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (BYTES_MAX, BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS_MAX, SECONDS_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # A network of its own, with nothing in it, where the system lets a process have one. Where it does not, the parent
    # has set a proxy that nobody listens at, and templates that ask for packages are refused before.
    ctypes.CDLL(None, use_errno=True).unshare(_NEW_USER | _NEW_NET)
    os.umask(0o077)


if __name__ == "__main__":
    sys.exit(main())
