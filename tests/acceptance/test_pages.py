"""hpotool's pages in a real browser: while a worker runs, by keyboard, on a phone, without scripts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import create_trial
from playwright.sync_api import Browser, BrowserContext, Page, expect

from hpotool.storage.control.orders import adopt_study, register_worker
from hpotool.storage.database.connection import Connection
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.worker_identity import WorkerIdentity
from hpotool.storage.open import open_storage
from tests.acceptance.command_line import PATIENCE_S, CommandLine, wait_until
from tests.browser import open_browser
from tests.postgres import TestServer

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
# It goes on to its next step as soon as there is a file of that name.
STEPPED = """
import time
from pathlib import Path

FOLDER = Path(__file__).parent

def objective(trial):
    x = trial.params["x"]
    for step in range(3):
        while not (FOLDER / f"go-{step}").exists():
            time.sleep(0.05)
        print(f"epoch {step} of trial {trial.number}", flush=True)
        trial.report(x + step, step)
    return x
"""
STUDY = """
study: stepped
objective: {python: "stepped:objective"}
metrics: {loss: minimize}
search_space: {x: {float: [0.0, 1.0]}}
budget: {trials: 1}
tags: {owner: ann}
"""
Serve = Callable[..., str]


@pytest.fixture
def here(hpotool: CommandLine, tmp_path: Path) -> CommandLine:
    (tmp_path / "stepped.py").write_text(STEPPED)
    (tmp_path / "stepped.yaml").write_text(STUDY)
    environment = {
        "HPOTOOL_HOME": str(tmp_path / "home"),
        "HPOTOOL_DASHBOARD_LOGIN": "ada:lovelace",
        "HPOTOOL_HEARTBEAT_INTERVAL_S": "1",
    }
    command_line = CommandLine(hpotool.url, tmp_path, environment)
    command_line.run("create-study", "stepped.yaml")
    return command_line


@pytest.fixture
def serve(here: CommandLine, tmp_path: Path) -> Iterator[Serve]:
    """Starts ``hpotool dashboard``, and says where the pages are."""
    with ExitStack() as running:

        def serve(*arguments: str) -> str:
            log = tmp_path / "dashboard.log"
            running.enter_context(here.start("dashboard", "--port", "0", *arguments, log=log))
            found = wait_until(
                lambda: re.search(r"fleet, attempts and logs: (\S+)", log.read_text()),
                "the server says where it is",
            )
            return str(found[1])

        yield serve


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


def visit(browser: Browser, **options: Any) -> BrowserContext:
    login = {"username": "ada", "password": "lovelace"}
    context = browser.new_context(http_credentials=login, **options)
    context.set_default_timeout(PATIENCE_S * 1000)
    expect.set_options(timeout=PATIENCE_S * 1000)
    return context


def figure(page: Page, name: str) -> str:
    return page.locator(f'[data-figure="{name}"]').inner_text()


def test_open_pages_follow_a_study_while_a_worker_runs(
    serve: Serve, here: CommandLine, browser: Browser, tmp_path: Path
) -> None:
    base = serve()
    with visit(browser) as context, here.start("worker", "--gpu", "none", log=tmp_path / "worker.log"):
        study, trial = context.new_page(), context.new_page()
        study.goto(f"{base}studies/1")
        expect(study.locator('[data-figure="running"]')).to_have_text("1")
        trial.goto(f"{base}studies/1/trials/0")
        for page in (study, trial):
            page.evaluate("window.isTheSameDocument = true")
        trial.bring_to_front()
        trial.locator("#order-stop summary").focus()  # in a part that changes: the time that it runs
        for step in range(3):
            assert trial.evaluate("document.activeElement.textContent") == "Stop…"
            (tmp_path / f"go-{step}").touch()
            expect(trial.locator("#tail")).to_contain_text(f"epoch {step} of trial 0")
        expect(trial.locator("h1")).to_contain_text("complete")
        expect(trial.locator("#spoken")).to_have_text("Trial 0 is complete")
        expect(trial.locator("#reports-part svg")).to_be_visible()
        study.bring_to_front()
        expect(study.locator("h1")).to_contain_text("done")
        expect(study.locator("#workers-part")).to_contain_text("no workers")
        expect(study.locator("#spoken")).to_have_text("stepped is done")
        assert study.title().startswith("1/1 stepped")
        for page in (study, trial):
            assert page.evaluate("window.isTheSameDocument")
        status = here.json("status", "stepped")
        assert figure(study, "finished") == str(status["budget"]["finished"])
        assert figure(study, "budget") == str(status["budget"]["trials"])
        for state in ("RUNNING", "COMPLETE", "PRUNED", "WAITING"):
            assert figure(study, state.lower()) == str(status["trials"].get(state, 0))
        best = study.locator("#best-part tbody tr td").all_inner_texts()
        assert best[0] == str(status["best"][0]["number"])
        assert float(best[1]) == pytest.approx(status["best"][0]["values"]["loss"], rel=1e-3)


def test_a_person_orders_by_keyboard_and_is_not_interrupted(
    serve: Serve, here: CommandLine, browser: Browser
) -> None:
    base = serve()
    with visit(browser) as context:
        page = context.new_page()
        page.goto(f"{base}studies/1")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Pause…"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.type("driver update")
        for _ in range(2):  # the page asks for its newer state, and leaves what is being typed alone
            with page.expect_response(lambda answer: answer.url.endswith("/studies/1")):
                pass
        assert page.evaluate("document.activeElement.value") == "driver update"
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Pause the study"
        with page.expect_navigation():
            page.keyboard.press("Enter")
        expect(page.locator(".notice")).to_contain_text("stepped is paused")
        expect(page.locator("h1")).to_contain_text("paused")
        status = here.json("status", "stepped")
        assert (status["state"], status["reason"]) == ("paused", "driver update")
        [event] = [one for one in here.json("events", "stepped") if one["event"] == "state"]
        assert event["by"] == "ada@dashboard"
        # Somebody else goes on with it, and the open page says so by itself.
        here.run("resume", "stepped")
        expect(page.locator("h1")).to_contain_text("running")
        hold = page.get_by_role("button", name="Pause updates")
        hold.press("Enter")
        expect(hold).to_have_attribute("aria-pressed", "true")
        page.locator("#edit-note summary").press("Enter")
        page.get_by_label("Note, in Markdown").fill("*good*")
        with page.expect_navigation():
            page.get_by_role("button", name="Save the note").press("Enter")
        assert here.run("note", "stepped").stdout == "*good*\n"
        with page.expect_navigation():
            page.get_by_role("button", name="Remove the tag owner").press("Enter")
        assert here.run("tag", "stepped").stdout == ""


def add_hostile_study(url: str) -> int:
    storage = open_storage(DatabaseUrl.parse(url).sqlalchemy)
    study = optuna.create_study(study_name=f"{HOSTILE} {'long ' * 20}", storage=storage)
    space = {HOSTILE: CategoricalDistribution([HOSTILE, "x" * 200])}
    for place in range(60):
        value = HOSTILE if place % 2 else "x" * 200
        study.add_trial(
            create_trial(
                params={HOSTILE: value}, distributions=space, value=float(place),
                intermediate_values={step: float(step) for step in range(5)}, user_attrs={HOSTILE: HOSTILE},
            )
        )  # fmt: skip
    connection = Connection(DatabaseUrl.parse(url))
    adopt_study(connection.run, study._study_id)
    facts = {"host": "gpu-0.a-long-name.example.org", "pid": 1, "process_space": "b", "process_start": "1"}
    register_worker(connection.run, study._study_id, WorkerIdentity(worker_id="w", slot="GPU-0", **facts))
    connection.close()
    return int(study._study_id)


def every_page(base: str, study_id: int) -> list[str]:
    study = f"{base}studies/{study_id}"
    return [
        base,
        f"{base}launches",
        study,
        f"{study}/trials",
        f"{study}/trials/3",
        f"{study}/trials?where=nothing>1",
    ]


_NAMELESS = """[...document.querySelectorAll('a, button, input:not([type=hidden]), select, textarea, summary')]
    .filter(one => !(one.textContent.trim() || one.ariaLabel || one.labels?.length)).map(one => one.outerHTML)"""
_TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# A cell whose text lies over its neighbours.
_OVERLAPS = """[...document.querySelectorAll('td, th')]
    .filter(one => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX === 'visible')
    .filter(one => getComputedStyle(one.closest('thead') || one).position !== 'absolute')
    .map(one => one.outerHTML)"""
_BRIGHTNESS = "Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])"


def test_hostile_texts_run_nothing_and_fit_a_phone_by_day_and_night(
    serve: Serve, here: CommandLine, browser: Browser
) -> None:
    assert here.url is not None
    study_id = add_hostile_study(here.url)
    base = serve()
    host = urlsplit(base).netloc
    for scheme, width in (("light", 360), ("dark", 360), ("light", 1280)):
        with visit(browser, viewport={"width": width, "height": 640}, color_scheme=scheme) as context:
            page = context.new_page()
            troubles: list[str] = []
            page.on(
                "dialog", lambda dialog, troubles=troubles: (troubles.append(dialog.message), dialog.dismiss())
            )
            page.on("console", lambda line, troubles=troubles: troubles.append(line.text))
            page.on("pageerror", lambda error, troubles=troubles: troubles.append(str(error)))
            asked: list[str] = []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            for url in every_page(base, study_id):
                page.goto(url)
                assert page.evaluate(_TOO_WIDE) <= 0, url
                assert page.evaluate(_NAMELESS) == [], url
                assert page.evaluate(_OVERLAPS) == [], url
                assert (page.evaluate(_BRIGHTNESS) > 128) == (scheme == "light")
                assert page.locator("h1").count() == 1
            assert troubles == []
            assert {urlsplit(url).netloc for url in asked if not url.startswith("data:")} == {host}


def test_without_scripts_pages_are_whole_and_optuna_s_pages_lead_to_them(
    serve: Serve, here: CommandLine, browser: Browser
) -> None:
    base = serve()
    with visit(browser, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(base)
        page.get_by_role("link", name="stepped").click()
        expect(page.locator("#live")).to_contain_text("reload to update")
        page.locator("summary", has_text="Stop…").click()
        page.get_by_role("button", name="Stop the study").click()
        expect(page.locator(".notice")).to_contain_text("stepped is stopped")
        assert here.json("status", "stepped")["state"] == "stopped"
    with visit(browser) as context:
        page = context.new_page()
        page.goto(base.replace("/hpotool/", "/dashboard/studies/1"))
        page.locator("#hpotool-pages").click()
        expect(page.locator("h1")).to_contain_text("stepped")
        assert urlsplit(page.url).path == "/hpotool/studies/1"
        page.get_by_role("link", name="Optuna’s pages").click()
        expect(page).to_have_url(re.compile("/dashboard/studies/1$"))
        expect(page.get_by_role("heading", name="Hyperparameter Importance")).to_be_visible()


def test_read_only_pages_have_no_buttons(serve: Serve, browser: Browser) -> None:
    base = serve("--read-only")
    with visit(browser) as context:
        page = context.new_page()
        for url in every_page(base, 1)[:3]:
            page.goto(url)
            assert page.locator("form[method=post]").count() == 0
        refused = page.request.post(
            f"{base}studies/1/actions/stop", form={"token": "x"}, headers={"Origin": base[:-9]}
        )
        assert refused.status == 403
        assert "read-only" in refused.text()


def test_open_pages_outlive_an_outage_of_the_database(
    own_postgres: TestServer, browser: Browser, tmp_path: Path
) -> None:
    (tmp_path / "stepped.py").write_text(STEPPED)
    (tmp_path / "stepped.yaml").write_text(STUDY)
    with own_postgres.database("away") as url:
        here = CommandLine(url, tmp_path, {"HPOTOOL_HOME": str(tmp_path / "home")})
        here.run("create-study", "stepped.yaml")
        log = tmp_path / "dashboard.log"
        with here.start("dashboard", "--port", "0", "--read-only", log=log), visit(browser) as context:
            found = wait_until(lambda: re.search(r"logs: (\S+)", log.read_text()), "the server says where it is")
            opened = context.new_page()
            opened.goto(f"{found[1]}studies/1")
            opened.evaluate("window.isTheSameDocument = true")
            own_postgres.kill()
            expect(opened.locator("#live")).to_have_text("not current: the database does not answer")
            expect(opened.locator("h1")).to_contain_text("stepped")
            later = context.new_page()
            later.goto(f"{found[1]}studies/1")
            expect(later.locator("main")).to_contain_text("tries again every 5 seconds")
            own_postgres.start()
            expect(later.locator("h1")).to_contain_text("stepped")
            opened.bring_to_front()
            expect(opened.locator("#live")).to_have_text("live")
            assert opened.evaluate("window.isTheSameDocument"), "nobody had to reload it"
