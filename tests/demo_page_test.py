"""The demo page in headless Chromium, as somebody uses it; needs the extra `demo`, selenium and Debian's Chromium."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from tests import exported, tiny
from tests.conftest import ROOT

pytestmark = pytest.mark.slow
_PROGRAMS = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
_MISSING = [name for name in ("gradio", "selenium") if importlib.util.find_spec(name) is None]
_MISSING += [name for name, path in _PROGRAMS.items() if path is None]
if _MISSING:
    pytest.skip(f"no {', '.join(_MISSING)} here", allow_module_level=True)

# The launcher, in a process that writes down every address outside this machine that it asks for.
_WATCHED = """
import runpy, sys
def watch(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        address = args[1] if event == "socket.connect" else args
        host = address[0] if isinstance(address, tuple) else address
        if str(host) not in ("127.0.0.1", "::1", "localhost", "None"):
            open(sys.argv[1], "a").write(f"{event} {address}\\n")
sys.addaudithook(watch)
launcher = sys.argv[2]
sys.argv[1:3] = []
sys.argv[0] = launcher
sys.path[0] = launcher.rpartition("/")[0]
runpy.run_path(launcher, run_name="__main__")
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = _PROGRAMS["chromium"]
    profile = tmp_path_factory.mktemp("profile")
    flags = ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu", f"user-data-dir={profile}")
    for flag in (*flags, "window-size=1280,900"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    service = webdriver.ChromeService(_PROGRAMS["chromedriver"])
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


class _Page:
    """The page of a run while the block lasts, and where its process may write."""

    def __init__(self, folder, workdir):
        self.temporary, self.outside, self._log = folder / "tmp", folder / "outside", folder / "log"
        self.temporary.mkdir()
        command = [sys.executable, "-c", _WATCHED, str(self.outside), str(ROOT / "launch" / "demo.py")]
        env = os.environ | {"TMPDIR": str(self.temporary)}
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [*command, f"--workdir={workdir}", "--port=0"], stdout=log, stderr=log, env=env
            )

    def __enter__(self):
        self.url = until(self._find_url, 120)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)

    def _find_url(self):
        assert self.process.poll() is None, self.text()
        return next((word.rstrip(";") for word in self.text().split() if word.startswith("http://")), None)

    def text(self):
        return self._log.read_text()

    def files(self):
        return [path for path in self.temporary.rglob("*") if path.is_file()]


def until(find, seconds=60):
    """Returns what `find` gives as soon as it gives something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = find()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"nothing in {seconds} s: {find}")


def _walk(driver, page, picture, fake, captions):
    """Opens, uploads, clicks and brings a text file; returns after each that the page shows what it must."""
    from selenium.webdriver.common.by import By

    find = lambda css: driver.find_elements(By.CSS_SELECTOR, css)
    sources = lambda: [image.get_attribute("src") for image in find("#shown img")]
    upload = lambda path: until(lambda: find("#upload input[type=file]"))[0].send_keys(str(path))
    driver.get(page.url)
    assert len(until(lambda: find("#examples button img"))) == 8
    upload(picture)
    first = until(lambda: len(sources()) == len(captions) and sources())
    for caption, words in zip(find("#shown figcaption"), captions, strict=True):
        assert caption.text.startswith(words)
    find("#control_0 label")[-1].click()
    second = until(lambda: sources() != first and sources())
    assert second[0] == first[0] and second[1] != first[1]
    upload(fake)
    (message,) = until(lambda: find("#shown [role=alert]"))
    assert message.text == "fake.png: no image by its content; allowed: PNG, JPEG, WebP, BMP, TIFF"
    find("#examples button")[4].click()
    assert until(lambda: len(sources()) == len(captions) and sources())[0] not in (first[0], second[0])
    for width in (1280, 390):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def _requests(driver):
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    return {m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"}


@pytest.mark.parametrize("method", ["op_gan", "match_gan"])
def test_a_visit(browser, tmp_path, method):
    if method == "op_gan":
        config = tiny.config(data__name="folder", data__dir=tiny.folder(tmp_path / "data"))
        captions = ["picture", "translation", "difference"]
    else:
        names = ("calm", "glad", "stunned")
        chosen = {"data__attributes": names, "data__exclusive": (names,)}
        config = tiny.faces_config(data__name="classes", data__dir=tiny.classes(tmp_path / "data"), **chosen)
        captions = ["picture, read as", "edit"]
    Image.fromarray((exported.pictures(method, 1, 24, 24)[0] // 257).astype(np.uint8)).save(tmp_path / "mine.png")
    (tmp_path / "fake.png").write_text("no picture")
    with _Page(tmp_path, exported.workdir(tmp_path / "run", config)) as page:
        _requests(browser)
        _walk(browser, page, tmp_path / "mine.png", tmp_path / "fake.png", captions)
        asked = {url for url in _requests(browser) if not url.startswith(("data:", "blob:", "about:"))}
        assert asked and not [url for url in asked if not url.startswith(page.url)]
        assert not page.files(), "uploads are left"
        _assert_size_is_limited(page)
    assert not list(page.temporary.iterdir()) and not page.outside.exists()
    assert "Traceback" not in page.text() and page.process.returncode == 0


def _assert_size_is_limited(page):
    import httpx

    answer = httpx.post(f"{page.url}gradio_api/upload", files={"files": ("large.png", bytes(21 * 2**20))}, timeout=60)
    assert answer.status_code == 413 and not page.files()


def test_a_port_that_is_taken_ends_in_one_line(tmp_path):
    workdir = exported.workdir(tmp_path / "run", tiny.config())
    with _Page(tmp_path, workdir) as page:
        command = [sys.executable, str(ROOT / "launch" / "demo.py"), f"--workdir={workdir}"]
        port = page.url.rstrip("/").rpartition(":")[2]
        done = subprocess.run([*command, f"--port={port}"], capture_output=True, text=True, timeout=120)
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1] == f"error: --host=127.0.0.1 --port={port}: Address already in use"
