"""Where an ordinary user runs this checkout's programs, though it may lie in root's own folder."""

from __future__ import annotations

import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]


def let_in() -> list[str]:
    """Lines of a root shell in a mount namespace of its own: every user can reach this Python.

    Where it or the checkout is inside of a closed folder (root's home, say), the
    namespace shows just them there.
    """
    wanted = sorted({sys.base_prefix, sys.prefix, str(CHECKOUT)})
    closed = {str(top) for path in wanted if (top := _closed_parent(Path(path))) is not None}
    lines = ["set -e", "scratch=$(mktemp -d)", 'mount -t tmpfs none "$scratch"']
    inside = [p for p in wanted if any(Path(p).is_relative_to(top) for top in closed)]
    for number, path in enumerate(inside):
        lines += [f'mkdir "$scratch/{number}"', f'mount --bind "{path}" "$scratch/{number}"']
    lines += [f'mount -t tmpfs -o mode=755 none "{top}"' for top in sorted(closed)]
    for number, path in enumerate(inside):
        lines += [f'mkdir -p "{path}"', f'mount --move "$scratch/{number}" "{path}"']
    lines += ['umount "$scratch"', 'rmdir "$scratch"']
    return lines


def _closed_parent(path: Path) -> Path | None:
    return next((p for p in reversed((path, *path.parents)) if not p.stat().st_mode & 0o001), None)
