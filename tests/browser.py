"""A real Chromium for tests: one process, driven over its debugging pipe."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run", "--hide-scrollbars", "--disable-dev-shm-usage", "--remote-debugging-pipe"),
)

# Every text node's colour against the first opaque background behind it; an SVG text's fill against the same.
_CONTRAST = """
(() => {
  const parse = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = c => {
    const [r, g, b] = c.map(v => { v /= 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
    return .2126 * r + .7152 * g + .0722 * b; };
  const behind = el => { for (; el; el = el.parentElement) { const c = parse(getComputedStyle(el).backgroundColor);
    if (c.length && (c.length < 4 || c[3] === 1)) return c.slice(0, 3); } return [255, 255, 255]; };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const el = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || ['STYLE', 'style', 'title', 'desc'].includes(el.tagName)) continue;
    const style = getComputedStyle(el), svg = el.namespaceURI.endsWith('svg');
    const ink = parse(svg ? style.fill : style.color).slice(0, 3), paper = behind(el);
    const [a, b] = [light(ink), light(paper)];
    found.push([(Math.max(a, b) + .05) / (Math.min(a, b) + .05), walker.currentNode.data.trim().slice(0, 40)]);
  }
  found.sort((x, y) => x[0] - y[0]);
  return found[0] || [21, ''];
})()
"""


class Browser:
    """One tab of a Chromium; `said` collects console messages, `asked` the addresses of requests."""

    def __init__(self, process: subprocess.Popen[bytes], to: int, back: int) -> None:
        self.process = process
        self._to, self._back, self._buffer, self._next = to, back, b"", 0
        self.said: list[str] = []
        self.asked: list[str] = []
        self._loaded = False
        self._session: str | None = None
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    def open(self, path: Path, *, width: int, dark: bool) -> None:
        """Show a file at a width, in light or dark mode, and wait until it is loaded."""
        self.said.clear()
        self.asked.clear()
        mode = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", media="", features=[mode])
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        self._loaded = False
        self._call("Page.navigate", url=path.resolve().as_uri())
        while not self._loaded:
            self._take()

    def print_layout(self, path: Path, *, width: int = 718) -> None:
        """Show a file as it is printed: A4 with margins of 1 cm is 718 px wide."""
        self.open(path, width=width, dark=False)
        self._call("Emulation.setEmulatedMedia", media="print", features=[])

    def pdf(self, path: Path) -> None:
        """Save what is shown as it is printed on A4."""
        sheet = self._call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)
        path.write_bytes(base64.b64decode(sheet["data"]))

    def value(self, script: str) -> Any:
        """What a script comes to."""
        return self._call("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def sideways(self) -> int:
        """Pixels by which the page is wider than the window."""
        return int(self.value("document.documentElement.scrollWidth - window.innerWidth"))

    def least_contrast(self) -> tuple[float, str]:
        """The smallest contrast of a text with what is behind it, and that text."""
        ratio, text = self.value(_CONTRAST)
        return float(ratio), str(text)

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        """Save what is shown, or the whole page."""
        shot = self._call("Page.captureScreenshot", captureBeyondViewport=whole, format="png", **self._clip(whole))
        path.write_bytes(base64.b64decode(shot["data"]))

    def _clip(self, whole: bool) -> dict[str, Any]:
        if not whole:
            return {}
        size = self._call("Page.getLayoutMetrics")["cssContentSize"]
        return {"clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}}

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._next += 1
        message: dict[str, Any] = {"id": self._next, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._take()
            if answer.get("id") == self._next:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                found: dict[str, Any] = answer["result"]
                return found

    def _take(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            part = os.read(self._back, 1 << 20)
            if not part:
                raise RuntimeError("the browser ended")
            self._buffer += part
        one, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(one)
        match message.get("method"):
            case "Page.loadEventFired":
                self._loaded = True
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded":
                self.said.append(json.dumps(message["params"])[:500])
            case "Network.requestWillBeSent":
                self.asked.append(message["params"]["request"]["url"])
        return message


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Start a Chromium with an empty profile, and end it."""
    assert CHROMIUM is not None
    to_child, to = os.pipe()
    back, from_child = os.pipe()

    def places() -> None:
        # The debugging pipe is read from descriptor 3 and written to 4.
        os.dup2(to_child, 13)
        os.dup2(from_child, 14)
        os.dup2(13, 3)
        os.dup2(14, 4)

    # Helpers of the browser may still write into the profile while it is removed.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [CHROMIUM, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=places,
            start_new_session=True,
        )
        os.close(to_child)
        os.close(from_child)
        try:
            yield Browser(process, to, back)
        finally:
            os.close(to)
            os.close(back)
            os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
