"""What a site configures of the spawner, as ``c.DaaasSpawner.…``."""

from __future__ import annotations

from pathlib import Path

from traitlets import Dict, Float, List, Unicode
from traitlets.config import LoggingConfigurable

from dms_core import errors as dms_errors
from vmm_core import errors as vmm_errors


class Settings(LoggingConfigurable):
    """Where the services are, and how long a user waits for what."""

    vmm_url = Unicode(
        "http://127.0.0.1:8440",
        help="URL of the VMM, as dialled from the hub.",
    ).tag(config=True)

    vmm_token = Unicode(
        help="""
        The hub's token for the VMM, with the scopes `read` and `lease:any`.

        `vmm token HUB --scope read --scope lease:any` makes one. Rather put it in a
        file that only the hub can read, and its path in `vmm_token_file`.
        """,
    ).tag(config=True)

    vmm_token_file = Unicode(
        help="File with the hub's token for the VMM. Read at each use; comes before `vmm_token`.",
    ).tag(config=True)

    dms_url = Unicode(
        help="""
        URL of the DMS, as dialled from the hub.

        Empty starts machines without the data mount; files are then kept on the
        machine, and go with it.
        """,
    ).tag(config=True)

    dms_machine_url = Unicode(
        help="URL of the DMS, as dialled from the machines. Empty: the same as `dms_url`.",
    ).tag(config=True)

    dms_token = Unicode(
        help="The hub's token for the DMS, made by `dms token HUB`; see `vmm_token`.",
    ).tag(config=True)

    dms_token_file = Unicode(
        help="File with the hub's token for the DMS. Read at each use; comes before `dms_token`.",
    ).tag(config=True)

    cache_gb = Float(
        10.0, min=0, help="Room for the data cache on a machine's own disk, in 10^9 bytes."
    ).tag(config=True)

    mount_driver = Unicode(
        "auto", help="How the data mount speaks FUSE: `auto`, or the name of a library."
    ).tag(config=True)

    default_options = Dict(
        help="""
        Options of a start that names none, such as `{"environment": "mantid"}`.

        Without it the first environment that is free is taken.
        """,
    ).tag(config=True)

    form_template_paths = List(
        Unicode(),
        help="""
        Folders with your own `daaas_form.html`, `daaas_form.css` or `daaas_form.js`.

        They come before the ones of this package, which are the example to start from.
        """,
    ).tag(config=True)

    form_timeout = Float(
        3.0,
        min=0.1,
        help="Seconds that the spawn page waits for the VMM before it says that it is away.",
    ).tag(config=True)

    call_timeout = Float(
        10.0, min=0.1, help="Seconds that a single call to the VMM or the DMS may take."
    ).tag(config=True)

    session_timeout = Float(
        60.0, min=1, help="Seconds that the notebook server may take to answer on its machine."
    ).tag(config=True)

    def vmm_secret(self) -> str:
        """The token for the VMM as it is now; "" if there is none.

        Raises:
            vmm_core.errors.NotAuthenticated: its file cannot be read.
        """
        try:
            return _secret(self.vmm_token_file, self.vmm_token)
        except OSError as error:
            raise vmm_errors.NotAuthenticated(_unreadable("vmm_token_file", error)) from None

    def dms_secret(self) -> str:
        """The token for the DMS as it is now; "" if there is none.

        Raises:
            dms_core.errors.NotAuthenticated: its file cannot be read.
        """
        try:
            return _secret(self.dms_token_file, self.dms_token)
        except OSError as error:
            raise dms_errors.NotAuthenticated(_unreadable("dms_token_file", error)) from None


def _secret(path: str, value: str) -> str:
    return Path(path).read_text().strip() if path else value


def _unreadable(setting: str, error: OSError) -> str:
    return f"{setting} {error.filename} cannot be read ({error.strerror}): check path and owner"
