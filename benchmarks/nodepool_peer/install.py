"""Puts Nodepool below the checkout's ``.make`` folder, in an environment of its own.

Its release names most of what it imports; ``cachetools`` is missing there and
is added. ZooKeeper is Debian's package: it brings no service and starts none.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDER = CHECKOUT / ".make" / "nodepool"
PYTHON = FOLDER / "bin" / "python"
PACKAGES = ("nodepool==11.0.0", "kazoo==2.9.0", "cachetools")
JARS = Path("/usr/share/java")


def install() -> None:
    """Make sure of Nodepool, ZooKeeper (it brings Java) and openssl; a minute the first time."""
    made = FOLDER / "made-of"
    wanted = "\n".join((*PACKAGES, sys.version))
    if not made.exists() or made.read_text() != wanted:
        print(f"installing {PACKAGES[0]} into {FOLDER.relative_to(CHECKOUT)}", flush=True)
        _run(sys.executable, "-m", "venv", "--clear", str(FOLDER))
        _run(str(PYTHON), "-m", "pip", "install", "--quiet", *PACKAGES)
        made.write_text(wanted)
    missing = [] if (JARS / "zookeeper.jar").exists() else ["zookeeper"]
    missing += [] if shutil.which("openssl") else ["openssl"]
    if missing:
        _install_packages(missing)


def class_path() -> str:
    """What ZooKeeper's server needs to speak TLS, in Debian's places."""
    names = ("all", "buffer", "codec", "common", "handler", "resolver", "transport")
    netty = [JARS / f"netty-{name}.jar" for name in names]
    netty += sorted(JARS.glob("netty-transport-native-*[a-z].jar"))
    jars = [JARS / "zookeeper.jar", *netty, JARS / "slf4j-simple.jar"]
    return ":".join(str(jar) for jar in jars if jar.exists())


def _install_packages(names: list[str]) -> None:
    command = ["apt-get", "install", "-y", "--no-install-recommends", *names]
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        line = f"sudo {' '.join(command)}"
        raise SystemExit(
            f"{' and '.join(names)} missing; on Debian run this, then try again: {line}"
        )
    print(f"installing Debian's {' and '.join(names)}", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    _run("apt-get", "update", env=environment)
    _run(*command, env=environment)


def _run(*command: str, env: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900
    )
    if done.returncode:
        raise SystemExit(f'"{" ".join(command)}" failed:\n{done.stdout[-2000:]}')
