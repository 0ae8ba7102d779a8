"""`demo` as a visitor runs it: real processes, twice in one folder, stopped in the end without a trace."""

from __future__ import annotations

import re
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.demo.processes import command
from tests.system import eventually
from wallet_service.demo.words import WORDS

STEPS = 8


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder with a space in its name; not in pytest's own, which the unprivileged server could not enter."""
    with tempfile.TemporaryDirectory(prefix="wallet-demo-") as parent:
        yield Path(parent) / "chez nous"


def processes_in(folder: Path) -> list[str]:
    """The command lines of all processes that work in `folder`, by their words and by their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            said = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in said:
            found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes as Linux shows them")
def test_the_tour_then_the_page_in_one_folder(folder: Path) -> None:
    with command("demo", "--tour-only", "--port", "0", WALLET_DATA_DIR=str(folder)) as tour:
        assert tour.wait() == 0, tour.output
        assert tour.output.count("✓") == STEPS
        assert "proved" in tour.output
    with command("demo", "--port", "0", "--page-port", "0", WALLET_DATA_DIR=str(folder)) as demo:
        url = demo.wait_for(r"Open (http://\S+)", 90)
        demo.wait_for(r"Ctrl-C stops everything")
        assert demo.output.count("✓") == STEPS
        page = requests.get(url, headers={"Accept-Language": "fr"}, timeout=20).text
        assert "prouvé" in page
        assert "événement order-1 : appliqué" in page
        assert re.search(r"<summary>\d+ étapes, toutes réussies, en [\d,]+\xa0s</summary>", page)
        assert "Points 79" in page
        docs = requests.get(demo.wait_for(r"API documentation +(\S+)"), timeout=20)
        assert "openapi.json" in docs.text
        assert requests.get(demo.wait_for(r"readiness +(\S+)"), timeout=20).ok
        requests.post(f"{url}/do/purchase", timeout=20).raise_for_status()
        eventually(lambda: "Points 104" in requests.get(url, timeout=20).text)
        console = demo.wait_for(r"Sign in to the console at (\S+)").removesuffix("/console/")
        assert all(one in page for one in re.findall(r"(?:paul|lea)@\S+  (\S+)  ", demo.output))
        email, password = re.findall(r"(paul@\S+)  (\S+)  \(store, lyon-presquile\)", demo.output)[0]
        with requests.Session() as browser:
            headers = {"Origin": console}
            form = {"email": email, "password": password}
            home = browser.post(f"{console}/console/sign-in", data=form, headers=headers, timeout=20)
            assert "<h1>Accueil</h1>" in home.text
        assert WORDS["en"]["title"] in requests.get(f"{url}/?lang=en", timeout=20).text
        assert demo.stop() == 0, demo.output
    eventually(lambda: not processes_in(folder))


def test_a_demo_that_is_interrupted_early_leaves_nothing(folder: Path) -> None:
    with command("demo", "--tour-only", "--port", "0", WALLET_DATA_DIR=str(folder)) as demo:
        demo.wait_for(r"processes: web on")
        assert demo.stop(signal.SIGINT) == 1
        assert "Stopped." in demo.output
        assert "Traceback" not in demo.output
    eventually(lambda: not processes_in(folder))
