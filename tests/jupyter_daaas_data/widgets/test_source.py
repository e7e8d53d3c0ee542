"""The widgets' modules and words, as they are sent to the page."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import jupyter_daaas_data
from jupyter_daaas_data.widgets.source import STATIC, module

CHECKOUT = Path(__file__).parents[3]
PANEL = Path(jupyter_daaas_data.__file__).parent / "browser" / "src"
LOAD = """\
import sys, jupyter_daaas_data
jupyter_daaas_data._jupyter_server_extension_points()
print([name for name in ("anywidget", "ipywidgets") if name in sys.modules])
jupyter_daaas_data.DataBrowser
print("anywidget" in sys.modules)
"""


@pytest.mark.parametrize("name", ["browser.js", "monitor.js"])
def test_a_module_stands_alone(name: str, tmp_path: Path) -> None:
    made = module(name)
    assert re.findall(r"^(?:import|export) .*", made, re.M) == ["export default { render };"]
    names = re.findall(r"^(?:async )?(?:function|class|const) (\w+)", made, re.M)
    assert len(names) == len(set(names)), "two files declare the same name"
    node = shutil.which("node", path=f"{os.environ['PATH']}:{CHECKOUT / '.make/node/bin'}")
    if node is None:
        pytest.skip("needs node to check the syntax: apt-get install -y nodejs")
    (tmp_path / "module.mjs").write_text(made)
    subprocess.run([node, "--check", tmp_path / "module.mjs"], check=True, timeout=60)


def test_states_have_the_panels_words() -> None:
    panel = (PANEL / "words.ts").read_text()
    ours = (STATIC / "words.js").read_text()
    sentences = re.findall(r"'([A-Z]\w+: [^']*)'", panel)
    assert len(sentences) == 8
    for sentence in sentences:
        pattern = r"\$\{[^}]*(?:\([^)]*\))?\}".join(map(re.escape, re.split(r"%\d", sentence)))
        assert re.search(pattern, ours), sentence


def test_states_have_the_panels_shapes() -> None:
    ours = re.sub(r"\s+", " ", (STATIC / "icons.js").read_text())
    panel = (PANEL / "icons.ts").read_text()
    shapes = panel[panel.index("stateIcons") :]
    paths = re.findall(r'd="([^"]*)"', shapes)
    assert len(paths) >= 6
    assert [path for path in paths if f'd="{path}"' not in ours] == []


def test_the_server_extension_loads_no_widgets() -> None:
    said = subprocess.run(
        [sys.executable, "-c", LOAD], capture_output=True, text=True, check=True, timeout=60
    )
    assert said.stdout.split("\n")[:2] == ["[]", "True"]


def test_an_unknown_name_is_no_widget() -> None:
    with pytest.raises(AttributeError, match="DataBrowsr"):
        jupyter_daaas_data.DataBrowsr  # noqa: B018
