"""QR codes as a picture in the page itself: no request, no style attribute."""

from __future__ import annotations

import segno


def svg(text: str) -> str:
    """Return the data URI of a QR code, for the `src` of an image; readable in both colour schemes."""
    return str(segno.make(text, error="m").svg_data_uri(scale=5, border=3, light="#ffffff", dark="#000000"))
