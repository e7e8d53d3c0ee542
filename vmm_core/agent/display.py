"""``python -m vmm_core.agent.display idle|screenshot``: asks the X server of ``DISPLAY``.

It runs as the X server's own user, for one question, because what answers is
the user's and not to be trusted by root. ``idle`` prints the milliseconds since
the last key or pointer (extension MIT-SCREEN-SAVER), ``screenshot`` the
picture as PNG in base64.
"""

from __future__ import annotations

import base64
import os
import struct
import sys
import zlib
from typing import Any

LARGEST = 1 << 26
"""Bytes of a picture; no desktop of a browser's window is larger."""

_BYTES = 4


def main() -> int:
    """Answer the question on the command line; 1 with a sentence if it cannot be answered."""
    try:
        from Xlib import X, display  # type: ignore[import-untyped]
        from Xlib.error import ConnectionClosedError, DisplayError, XauthError  # type: ignore[import-untyped]
        from Xlib.ext import screensaver  # type: ignore[import-untyped]
    except ImportError:
        sys.stderr.write("python-xlib is not there: install jupyter-daaas[topcat] in the image\n")
        return 1
    try:
        server = display.Display()
        root = server.screen().root
        if sys.argv[1] == "idle":
            sys.stdout.write(f"{screensaver.query_info(root).idle}\n")
            return 0
        size = root.get_geometry()
        if size.width * size.height * _BYTES > LARGEST:
            raise ValueError(f"the screen is too large: {size.width}x{size.height}")
        image = root.get_image(0, 0, size.width, size.height, X.ZPixmap, 0xFFFFFFFF)
        picture = png(bytes(image.data), size.width, size.height)
    except (DisplayError, XauthError, ConnectionClosedError, OSError, ValueError) as error:
        sys.stderr.write(f"display {os.environ.get('DISPLAY', '')}: {error}\n")
        return 1
    sys.stdout.write(f"{base64.b64encode(picture).decode()}\n")
    return 0


def png(pixels: bytes, width: int, height: int) -> bytes:
    """A PNG (ISO/IEC 15948, 8-bit RGB) of an X image.

    Args:
        pixels: blue, green, red and a filler for each pixel, row by row: what an X
            server of depth 24 on a little-endian machine gives.
        width: in pixels.
        height: in pixels.

    Raises:
        ValueError: the pixels are of another form.
    """
    if len(pixels) != width * height * _BYTES:
        raise ValueError("its screen is not of 24 bits: start the X server with -depth 24")
    row = 1 + 3 * width
    rows = bytearray(height * row)
    for number in range(height):
        line = pixels[number * width * _BYTES : (number + 1) * width * _BYTES]
        start = number * row + 1  # before it the row's filter: none
        for channel in range(3):
            rows[start + channel : start + 3 * width : 3] = line[2 - channel :: _BYTES]
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts: list[tuple[bytes, Any]] = [
        (b"IHDR", header),
        (b"IDAT", zlib.compress(bytes(rows))),
        (b"IEND", b""),
    ]
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


if __name__ == "__main__":
    sys.exit(main())
