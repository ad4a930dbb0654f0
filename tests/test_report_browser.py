"""The page of `--report` in a real browser: what it shows, and that it neither runs nor asks for anything.

Skipped where no Chromium is on PATH.
"""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from common import LOGISTIC
from report_page import Page

pytest.importorskip("matplotlib")
pytest_plugins = ["command_fixtures"]

CHROMIUM = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome", "chrome"])), None)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH")]
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
]
ELSEWHERE = "http://elsewhere.invalid"
HOSTILE = [
    "<script>document.title = 'run'</script>",
    f"</text></svg><img src={ELSEWHERE}/img onerror=\"document.title='run'\">",
    f"</style><link rel=stylesheet href={ELSEWHERE}/link><style>@import '{ELSEWHERE}/css'</style>",
    f"<iframe src={ELSEWHERE}/frame></iframe><svg onload=\"document.title='run'\">",
]


@pytest.fixture
def browse(tmp_path):
    """Open a page; the document as the browser has it in the end, and all addresses that it asked for, in vain."""

    def call(page):
        log = tmp_path / "log.json"
        options = [
            *QUIET,
            f"--user-data-dir={tmp_path / 'profile'}",
            "--proxy-server=http://127.0.0.1:9",  # where nobody answers: no request leaves this machine
            "--proxy-bypass-list=<-loopback>",
            "--timeout=10000",
            f"--log-net-log={log}",
            "--dump-dom",
        ]
        done = subprocess.run(
            [CHROMIUM, *options, Path(page).absolute().as_uri()],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=120,
            check=True,
        )
        requests = [event["params"] for event in json.loads(log.read_text())["events"] if "params" in event]
        # The browser's own requests, for updates of itself, have no page that initiated them.
        asked = {each["url"] for each in requests if each.get("initiator", "not an origin") != "not an origin"}
        return done.stdout.decode(), asked

    return call


def test_a_page_that_is_not_careful_is_found_out(tmp_path, browse):
    """Or the tests below would prove nothing."""
    page = tmp_path / "careless.html"
    page.write_text(f"<!DOCTYPE html><html><head><title>t</title></head><body>{''.join(HOSTILE)}</body></html>")
    document, asked = browse(page)
    assert "<title>run</title>" in document
    assert {f"{ELSEWHERE}/img", f"{ELSEWHERE}/link", f"{ELSEWHERE}/frame"} <= asked


def test_nothing_runs_and_nothing_is_asked_for(tmp_path, monkeypatch, outcome, browse):
    pd = pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.normal(size=120) for name in HOSTILE})
    frame["kind"] = rng.choice(HOSTILE, 120)
    frame["y"] = rng.choice(HOSTILE, 120)
    frame.to_csv("<img src=x>.csv", index=False)
    outcome("<img src=x>.csv", "--target", "y", *LOGISTIC, "--report", "r.html")
    document, asked = browse("r.html")
    assert asked == set()
    written, found = Page(Path("r.html").read_text(encoding="utf-8")), Page(document)
    assert found.texts("title") == ["lambd for <img src=x>.csv"]
    found, written = ([(tag, text.strip()) for tag, _, text in page.elements] for page in (found, written))
    assert found == written


def test_the_policy_holds_without_any_escaping(tmp_path, monkeypatch, outcome, browse):
    """The second line of defence: the page's own Content-Security-Policy, were there markup in it after all."""
    monkeypatch.chdir(tmp_path)
    outcome(*LOGISTIC, "--lambds", "1", "--report", "r.html")
    page = Path("r.html")
    page.write_text(page.read_text(encoding="utf-8").replace("<main>", f"<main>{''.join(HOSTILE)}"), encoding="utf-8")
    document, asked = browse(page)
    assert asked == set() and "<title>run</title>" not in document
