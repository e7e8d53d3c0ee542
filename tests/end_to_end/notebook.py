"""Code on a user's machine: typed into a notebook, or given to a kernel through the hub."""

from __future__ import annotations

import json
from types import TracebackType
from typing import Self

from playwright.sync_api import Page, expect

from examples.demo.stack import until

RUN = """
async ([base, kernel, code]) => {
  const socket = new WebSocket(base.replace(/^http/, 'ws') + `/api/kernels/${kernel}/channels`);
  await new Promise((resolve, reject) => { socket.onopen = resolve; socket.onerror = reject; });
  const id = crypto.randomUUID();
  const header = {msg_id: id, msg_type: 'execute_request', username: '', session: id,
                  version: '5.3', date: new Date().toISOString()};
  const content = {code, silent: false, store_history: false, user_expressions: {},
                   allow_stdin: false, stop_on_error: true};
  const output = new Promise((resolve) => {
    let text = '';
    socket.onmessage = ({data}) => {
      const message = JSON.parse(data);
      if (message.parent_header.msg_id !== id) return;
      if (message.msg_type === 'stream') text += message.content.text;
      if (message.msg_type === 'error') text += message.content.traceback.join('\\n');
      if (message.content.execution_state === 'idle') resolve(text);
    };
  });
  socket.send(JSON.stringify({header, parent_header: {}, metadata: {}, content,
                              channel: 'shell', buffers: []}));
  const text = await output;
  socket.close();
  return text.trim();
}
"""

REQUEST = """
async ([url, method]) => {
  const token = document.cookie.match('\\\\b_xsrf=([^;]*)\\\\b')?.[1] ?? '';
  const answer = await fetch(url, {method, headers: {'X-XSRFToken': token}});
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? null : answer.json();
}
"""


class Kernel:
    """Runs code on the machine and returns what it prints. The page must be at that server."""

    def __init__(self, page: Page, base: str) -> None:
        self._page = page
        self._base = base
        self._id = ""

    def __enter__(self) -> Self:
        self._id = self._page.evaluate(REQUEST, [f"{self._base}/api/kernels", "POST"])["id"]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._page.evaluate(REQUEST, [f"{self._base}/api/kernels/{self._id}", "DELETE"])

    def run(self, code: str) -> str:
        """Execute ``code``; its output, or the traceback of its error."""
        return str(self._page.evaluate(RUN, [self._base, self._id, code]))


def run_in_notebook(page: Page, code: str, *, new: bool = True) -> str:
    """Type ``code`` into a new notebook, or the one that is open, and return what it printed."""
    if new:
        page.locator(".jp-LauncherCard[data-category=Notebook]").first.click()
    # JupyterLab forgets a cell that is run before the notebook has its kernel.
    sessions = page.url.partition("/lab")[0] + "/api/sessions"
    for _ in until(60):
        kernels = [session["kernel"] for session in page.evaluate(REQUEST, [sessions, "GET"])]
        if any(one["connections"] and one["execution_state"] == "idle" for one in kernels):
            break
    cell = page.locator(".jp-Notebook .jp-InputArea-editor .cm-content").first
    cell.click()
    page.keyboard.insert_text(code)
    page.keyboard.press("Shift+Enter")
    output = page.locator(".jp-OutputArea-output").first
    output.wait_for(timeout=60_000)
    expect(page.locator(".jp-InputPrompt").first).not_to_have_text("[*]:", timeout=60_000)
    return json.dumps(output.inner_text())
