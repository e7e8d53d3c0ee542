"""A ``clouds.yaml`` as a test needs it."""

from __future__ import annotations

import json
from pathlib import Path

NAME = "test-account"


def write(folder: Path, auth_url: str, **more: object) -> Path:
    """A file with one account, ``NAME``, at ``auth_url``."""
    auth = {
        "auth_url": auth_url,
        "username": "demo",
        "password": "oslab-secret",
        "project_name": "demo",
        "user_domain_id": "default",
        "project_domain_id": "default",
        **{key: value for key, value in more.items() if not key.endswith("_override")},
    }
    overrides = {key: value for key, value in more.items() if key.endswith("_override")}
    account = {"region_name": "RegionOne", "auth": auth, **overrides}
    file = folder / "clouds.yaml"
    file.write_text(json.dumps({"clouds": {NAME: account}}))  # JSON is YAML
    file.chmod(0o600)
    return file
