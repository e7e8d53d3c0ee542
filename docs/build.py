"""Writes the pages that are made from code and data: `make docs` calls it.

Into build/docs: the VMM's OpenAPI document, the data extension's, and every
setting of both services and of the spawner with its help and default. Into
docs: the tables of :mod:`docs.tables`.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from dms_core.app import DMS
from jupyterhub_daaas_spawner import DaaasSpawner
from vmm_core.api.openapi import document
from vmm_core.api.table import ROUTES
from vmm_core.app import VMM

from .tables import HERE, messages, what_works

CHECKOUT = Path(__file__).parent.parent
TARGET = CHECKOUT / "build" / "docs"


def main() -> None:
    """Write all pages and name each."""
    TARGET.mkdir(parents=True, exist_ok=True)
    pages = {"vmm-openapi.json": json.dumps(document(ROUTES), indent=2) + "\n"}
    for configured in (VMM, DMS, DaaasSpawner):
        title = f"{configured.__name__} settings"
        text = configured.class_config_rst_doc()
        pages[f"{configured.__name__.lower()}-settings.rst"] = (
            f"{title}\n{'=' * len(title)}\n\n{text}"
        )
    for name, text in pages.items():
        (TARGET / name).write_text(text)
    shutil.copy(CHECKOUT / "jupyter_daaas_data" / "openapi.yaml", TARGET / "data-openapi.yaml")
    (HERE / "what-works.md").write_text(what_works())
    (HERE / "messages.md").write_text(messages())
    for path in [*sorted(TARGET.iterdir()), HERE / "what-works.md", HERE / "messages.md"]:
        print(path.relative_to(CHECKOUT))


if __name__ == "__main__":
    main()
