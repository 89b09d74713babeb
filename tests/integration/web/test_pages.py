"""The pages on a real database: what they show of a study, and that no text of it becomes markup."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import optuna
import psycopg2
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from hpotool.analysis.compare.sides import make_side
from hpotool.analysis.status import read_status
from hpotool.api.fleet import read_fleet
from hpotool.launch.request import Request as LaunchRequest
from hpotool.settings import home_folder, study_folder_name
from hpotool.storage.control.activity import read_spending
from hpotool.storage.control.confirmations import order_confirmation
from hpotool.storage.control.keeping import write_note
from hpotool.storage.control.launches import change_launch, record_launch, tell_workers
from hpotool.storage.control.orders import cancel_trial, set_state
from hpotool.storage.control.studies import list_attempts
from hpotool.storage.database.url import DatabaseUrl
from hpotool.storage.fleet.attempts import Ending, finish_attempt
from hpotool.storage.open import open_storage
from hpotool.study.confirmation.order import Order, Point
from hpotool.study.outcome import Outcome
from hpotool.web.exchange import Request
from hpotool.web.pages import Pages
from hpotool.web.views.study import sum_spending
from tests.postgres import PASSWORD, TestServer

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}"
Make = Callable[..., Any]


class Page(HTMLParser):
    """A page as its parts: elements, links, texts, and the figures that are marked as such."""

    def __init__(self, body: str) -> None:
        super().__init__()
        self.body = body
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.handlers: list[str] = []
        self.text = ""
        self.feed(body)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            self.handlers += [name] if name.startswith("on") or name == "style" else []
            self.links += [value or ""] if name in ("href", "src", "action") else []
            self.ids += [value or ""] if name == "id" else []

    def handle_data(self, data: str) -> None:
        self.text += data + " "

    def figure(self, name: str) -> str:
        [found] = re.findall(rf'data-figure="{name}">([^<]*)<', self.body)
        return str(found)


def show(pages: Pages, *path: object, status: str = "200 OK", **query: str) -> Page:
    response = pages.answer(Request("GET", tuple(map(str, path)), query, user="ada", host="h"))
    assert response.status == status, response.body.decode()
    return Page(response.body.decode())


def pages_of(study: Any, *, may_act: bool = False) -> Pages:
    return Pages(open_storage(study.url.sqlalchemy), may_act=may_act)


def run_trials(study: Any, outcomes: list[tuple[TrialState, Outcome, str]]) -> None:
    """Run trials on one worker, each to its end; complete ones have their number as their value."""
    worker = study.worker(slot="GPU-7")
    for state, outcome, reason in outcomes:
        attempt = study.claim(worker)
        values = [float(attempt.number)] if state is TrialState.COMPLETE else None
        ending = Ending(outcome, reason, output_tail=f"{HOSTILE}\n")
        finish_attempt(study.connection.run, attempt, worker.worker_id, state, values, ending)


COMPLETE = (TrialState.COMPLETE, Outcome.COMPLETE, "")
FAILED = (TrialState.FAIL, Outcome.ERROR, HOSTILE)


def add_done(study: Any, count: int, **more: Any) -> None:
    space = {"x": FloatDistribution(0, 1000), "kind": CategoricalDistribution(["a", HOSTILE])}
    for place in range(count):
        params = {"x": float(place), "kind": "a" if place % 2 else HOSTILE}
        study.optuna.add_trial(create_trial(params=params, distributions=space, value=float(-place), **more))


def test_the_figures_of_a_study_s_page_are_those_of_status(make_study: Make) -> None:
    study = make_study(budget=9, study_name="s")
    run_trials(study, [COMPLETE, FAILED, COMPLETE, FAILED, COMPLETE])
    study.claim(study.worker())
    page = show(pages_of(study), "studies", study.study_id)
    data = read_status(
        study.connection, optuna.load_study(study_name="s", storage=study.optuna._storage)
    ).as_data()
    assert int(page.figure("finished")) == data["budget"]["finished"] == 3
    assert int(page.figure("budget")) == data["budget"]["trials"] == 9
    assert int(page.figure("running")) == data["trials"]["RUNNING"] == 1
    assert int(page.figure("complete")) == data["trials"]["COMPLETE"]
    assert int(page.figure("failed for good")) == data["trials"]["FAIL"]
    assert f'href="/hpotool/studies/{study.study_id}/trials/{data["best"][0]["number"]}"' in page.body
    for worker in data["workers"]:
        assert worker["id"] in page.text
    for failure in data["failures"]:
        assert re.search(rf"{failure['outcome']}</span></th><td [^>]*>{failure['count']}<", page.body)


def test_no_text_of_a_study_becomes_markup_on_any_page(make_study: Make) -> None:
    study = make_study(budget=50, study_name=HOSTILE)
    run_trials(study, [COMPLETE, FAILED])
    add_done(study, 3, user_attrs={HOSTILE: HOSTILE}, intermediate_values={0: 1.0, 1: 2.0})
    study.optuna.set_metric_names([HOSTILE])
    for number in (None, 3):
        write_note(study.connection, study.study_id, HOSTILE, number, actor=HOSTILE)
    set_state(study.connection.run, study.study_id, "paused", HOSTILE, HOSTILE)
    log = home_folder() / "logs" / study_folder_name(HOSTILE) / "worker" / "trial-00000-a.log"
    log.parent.mkdir(parents=True)
    log.write_text(HOSTILE)
    pages = pages_of(study, may_act=True)
    whole = ("studies", study.study_id)
    for path in ((), whole, (*whole, "trials"), *((*whole, "trials", number) for number in (0, 1, 3))):
        page = show(pages, *path)
        assert page.tags.count("script") == 1, path
        assert "img" not in page.tags
        assert page.handlers == []
        assert HOSTILE in page.text, path
        assert all(link.startswith(("/", "#", "data:,", "?")) and not link.startswith("//") for link in page.links)
        assert len(page.ids) == len(set(page.ids)), "the live script finds parts by their ids"
    wrong = show(pages, "studies", study.study_id, "trials", where=f"{HOSTILE}>1", sort=HOSTILE)
    assert wrong.tags.count("script") == 1
    assert "img" not in wrong.tags


def test_a_trial_s_page_has_its_attempts_its_output_and_its_family(make_study: Make) -> None:
    from hpotool.storage.control.orders import retry_trial

    study = make_study(budget=9, study_name="s")
    run_trials(study, [FAILED])
    retry_trial(study.connection.run, study.study_id, 0, "ann@desk")
    run_trials(study, [COMPLETE])
    pages = pages_of(study)
    first, second = (show(pages, "studies", study.study_id, "trials", number) for number in (0, 1))
    assert "Trial 1 tries it again." in " ".join(first.text.split())
    assert "It tries trial 0 again." in " ".join(second.text.split())
    assert HOSTILE in first.text
    assert "These are the last lines; the whole log is on here." in first.text
    assert "GPU-7" in first.text
    assert [word in first.text for word in ("started", "failed", "ann@desk")] == [True, True, False]
    assert "ann@desk" in second.text


def test_a_log_on_this_machine_is_shown_with_its_newest_lines(make_study: Make) -> None:
    study = make_study(budget=9, study_name="s")
    attempt = study.claim(study.worker())
    pages = pages_of(study)
    elsewhere = show(pages, "studies", study.study_id, "trials", attempt.number)
    assert "on here, where it runs" in elsewhere.text
    assert "hpotool logs --study s --follow 0" in elsewhere.text
    log = home_folder() / "logs" / "s" / "worker" / "trial-00000-a.log"
    log.parent.mkdir(parents=True)
    for line in ("epoch 1", "epoch 2"):
        log.write_text(line)
        assert line in show(pages, "studies", study.study_id, "trials", attempt.number).text


def numbers(page: Page) -> list[int]:
    return [
        int(number) for number in re.findall(r'<th scope="row" class="n"><a href="[^"]*/trials/(\d+)"', page.body)
    ]


def test_the_table_is_cut_into_pages_sorted_and_filtered_on_the_server(make_study: Make) -> None:
    study = make_study(budget=500, study_name="s")
    add_done(study, 70)
    pages = pages_of(study)
    path = ("studies", study.study_id, "trials")
    assert numbers(show(pages, *path)) == list(range(69, 19, -1))
    assert numbers(show(pages, *path, page="2")) == list(range(19, -1, -1))
    assert numbers(show(pages, *path, page="99")) == list(range(19, -1, -1))
    assert numbers(show(pages, *path, sort="trial")) == list(range(50))
    assert numbers(show(pages, *path, sort="value"))[:3] == [69, 68, 67]
    assert numbers(show(pages, *path, sort="-value"))[:3] == [0, 1, 2]
    some = show(pages, *path, where="x>=10 and x<13", sort="x")
    assert (numbers(some), some.figure("total")) == ([10, 11, 12], "3")
    assert show(pages, *path, state="FAIL").text.count("no such trials") == 1
    assert numbers(show(pages, *path, where="kind~img", sort="x"))[:2] == [0, 2]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"where": "colour>1"}, "no trial has 'colour'"),
        ({"where": "what"}, "is not a comparison"),
        ({"sort": "colour"}, "no trial has 'colour'"),
    ],
)
def test_a_condition_that_is_none_is_said_and_the_table_stays(
    make_study: Make, query: dict[str, str], said: str
) -> None:
    study = make_study(budget=50, study_name="s")
    add_done(study, 3)
    page = show(pages_of(study), "studies", study.study_id, "trials", **query)
    assert said in page.text
    assert "--" not in page.text.split("Show")[1]  # no option of the command
    assert numbers(page) == [2, 1, 0]


def test_conditions_on_outcomes_and_reasons_read_the_attempts(make_study: Make) -> None:
    study = make_study(budget=50, study_name="s")
    run_trials(study, [COMPLETE, FAILED, COMPLETE])
    pages, path = pages_of(study), ("studies", study.study_id, "trials")
    assert numbers(show(pages, *path, where="outcome=error")) == [1]
    assert numbers(show(pages, *path, where="reason~script")) == [1]
    assert numbers(show(pages, *path, sort="outcome")) == [0, 2, 1]


def fall_silent(study: Any, worker: Any, ago: str) -> None:
    study.connection.run(
        "UPDATE hpotool.workers SET last_beat = clock_timestamp() - %s::interval WHERE worker_id = %s",
        (ago, worker.worker_id),
    )


def test_the_fleet_shows_every_study_s_workers_launches_and_orders(make_study: Make) -> None:
    study = make_study(budget=9, study_name="s")
    run = study.connection.run
    worker, other = study.worker(host="gpu-a", slot="GPU-1"), study.worker(host="gpu-b", slot="GPU-2")
    attempt = study.claim(worker)
    study.optuna._storage.set_trial_intermediate_value(attempt.trial_id, 41, 0.5)
    tell_workers(run, study.study_id, [other.worker_id], "drain")
    cancel_trial(run, study.study_id, attempt.number, "no use", "ann@desk")
    record_launch(run, study.study_id, "launch-1", "slurm", 4, {"hosts": []}, "ann@desk", "4 workers")
    set_state(run, study.study_id, "paused", "lunch", "ann@desk")
    fall_silent(study, other, "30 seconds")
    pages = pages_of(study)
    page = show(pages)
    text = " ".join(page.text.split())
    assert (page.figure("workers"), page.figure("with a trial"), page.figure("GPUs")) == ("2", "1", "2")
    assert "s is paused: lunch" in text
    assert f"{other.worker_id} is told to drain" in text
    assert "trial 0 of s is told to stop: no use" in text
    assert re.search(rf"{worker.worker_id} alive s 0 41", text)
    assert f"{other.worker_id} silent" in text
    assert "launch-1 slurm s 0 4" in text
    fall_silent(study, other, "1 day")
    text = " ".join(show(pages).text.split())
    assert "1 worker gone without saying goodbye" in text
    assert show(pages).figure("workers") == "1"


def squeue(folder: Path, script: str) -> None:
    """Put a program of that name into the folder."""
    (folder / "squeue").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "squeue").chmod(0o755)


def launched(make_study: Make) -> Any:
    study = make_study(budget=9, study_name="s")
    run = study.connection.run
    request = LaunchRequest("launch-1", "slurm", "s", 3, 0, "hpotool").as_data()
    record_launch(run, study.study_id, "launch-1", "slurm", 3, request, "ann@desk", "3 workers")
    change_launch(run, "launch-1", 3, ["7"], "ann@desk", "job 7")
    return study


def test_what_a_scheduler_says_is_a_page_and_why_a_worker_is_missing(
    make_study: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "queue").write_text(f"7_0|RUNNING|n1|None\n7_1|PENDING||Resources\n7_2|FAILED|n2|{HOSTILE}\n")
    squeue(tmp_path, f"cat {tmp_path / 'queue'}")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    pages = pages_of(launched(make_study))
    assert "/hpotool/launches" in show(pages).links
    page = wait_for(lambda: show(pages, "launches"), "7_1")
    text = " ".join(page.text.split())
    assert page.tags.count("script") == 1, "the page's own"
    assert re.search(r"launch-1 slurm s 0 2 3 asked", text), "none here, two coming, three wanted"
    assert re.search(r"pending 7_1 Resources", text)
    assert re.search(r"starting 7_0", text)
    assert HOSTILE in text
    rows = read_fleet(pages._source.connection.run, 1).rows
    assert [row.job for row in rows if row.state != "alive" and row.job not in text] == [], "as `hpotool workers`"


def test_a_scheduler_that_hangs_or_fails_holds_up_no_page(
    make_study: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    squeue(tmp_path, "exec sleep 40")
    study = launched(make_study)
    began = time.monotonic()
    page = show(pages_of(study), "launches")
    assert time.monotonic() - began < 20
    assert "asked, and no answer for" in page.text
    assert "not known yet" in page.text
    squeue(tmp_path, "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1")
    pages = pages_of(study)
    page = wait_for(lambda: show(pages, "launches"), "Unable to contact slurm controller")
    assert "not known of launches whose system does not answer" in page.text


def test_where_nothing_was_launched_the_page_says_so(make_study: Make) -> None:
    study = make_study(budget=9, study_name="s")
    assert "no launch is open" in show(pages_of(study), "launches").text


def wait_for(look: Callable[[], Page], text: str) -> Page:
    until = time.monotonic() + 60
    while text not in (page := look()).text:
        assert time.monotonic() < until, page.text
        time.sleep(0.1)
    return page


def test_what_further_search_may_gain_is_on_the_study_s_page_as_in_status(make_study: Make) -> None:
    study = make_study(budget=50, study_name="s")
    space = {"x": FloatDistribution(0, 1)}
    for place in range(25):
        x = (place * 0.618) % 1.0
        study.optuna.add_trial(create_trial(params={"x": x}, distributions=space, value=(x - 0.4) ** 2))
    loaded = optuna.load_study(study_name="s", storage=study.optuna._storage)
    gain = read_status(study.connection, loaded, looks_ahead=True).gain
    assert gain is not None
    pages = pages_of(study)
    said = gain.sentence[0].upper() + gain.sentence[1:]
    assert said in wait_for(lambda: show(pages, "studies", study.study_id), "Further search").text


def test_a_database_that_only_plain_optuna_has_used_has_pages_too(database_url: str) -> None:
    url = DatabaseUrl.parse(database_url)
    plain = optuna.create_study(study_name="plain", storage=optuna.storages.RDBStorage(url.sqlalchemy))
    plain.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    pages = Pages(open_storage(url.sqlalchemy), may_act=False)
    assert "plain Optuna".lower() in show(pages).text.lower()
    assert show(pages, "studies", plain._study_id).figure("complete") == "3"
    assert numbers(show(pages, "studies", plain._study_id, "trials")) == [2, 1, 0]
    assert "Trial 1" in show(pages, "studies", plain._study_id, "trials", 1).text


def test_an_empty_database_says_how_to_begin(study_database_url: str) -> None:
    pages = Pages(open_storage(DatabaseUrl.parse(study_database_url).sqlalchemy), may_act=False)
    assert "hpotool create-study FILE" in show(pages).text


@pytest.mark.parametrize(
    "path",
    ["nowhere", "studies", "studies/999", "studies/x", "studies/99999999999999", "studies/1/trials/7", "studies/²",
     "studies/1/trials/-1", "static/none", "static/../pages.py"],
)  # fmt: skip
def test_what_is_not_there_is_a_page_that_leads_back(make_study: Make, path: str) -> None:
    study = make_study(budget=9, study_name="s")
    assert study.study_id == 1
    page = show(pages_of(study), *path.split("/"), status="404 Not Found")
    assert "/hpotool/" in page.links


def test_other_methods_are_not_allowed(make_study: Make) -> None:
    pages = pages_of(make_study(study_name="s"))
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        response = pages.answer(Request(method, ("studies", "1")))
        assert response.status == "405 Method Not Allowed"
        assert ("Allow", "GET, HEAD, POST") in response.headers


def test_a_role_that_may_only_read_sees_every_page(
    make_study: Make, study_database_url: str, postgres: TestServer
) -> None:
    study = make_study(budget=9, study_name="s")
    run_trials(study, [COMPLETE, FAILED])
    reader = f"pages_{study.url.url.database}"
    connection = psycopg2.connect(study_database_url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {reader} LOGIN PASSWORD 'reading'")
        cursor.execute(f"GRANT USAGE ON SCHEMA public, hpotool TO {reader}")
        cursor.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public, hpotool TO {reader}")
    try:
        url = DatabaseUrl.parse(study_database_url.replace(f"tester:{PASSWORD}", f"{reader}:reading"))
        pages = Pages(open_storage(url.sqlalchemy), may_act=False)
        for path in ((), ("studies", 1), ("studies", 1, "trials"), ("studies", 1, "trials", 1)):
            show(pages, *path)
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP OWNED BY {reader}; DROP ROLE {reader}")
        connection.close()


def test_a_database_that_is_away_is_said_and_comes_back(own_postgres: TestServer) -> None:
    with own_postgres.database("away") as url:
        from hpotool.storage.database.schema import ensure_schema

        parsed = DatabaseUrl.parse(url)
        storage = open_storage(parsed.sqlalchemy)
        ensure_schema(parsed)
        pages = Pages(storage, may_act=False)
        show(pages)
        own_postgres.stop()
        gone = show(pages, status="503 Service Unavailable")
        assert PASSWORD not in gone.body
        assert "tries again" in gone.text
        assert ("Refresh", "5") in pages.answer(Request("GET", ())).headers, "without scripts too"
        assert pages.answer(Request("GET", ("nothing",))).headers == (), (
            "what is not there does not come by itself"
        )
        own_postgres.start()
        show(pages)


def test_a_static_file_may_be_kept_and_a_page_may_not(make_study: Make) -> None:
    pages = pages_of(make_study(study_name="s"))
    script = pages.answer(Request("GET", ("static", "pages.js")))
    assert script.kind.startswith("text/javascript")
    assert "max-age" in script.cache
    assert pages.answer(Request("GET", ())).cache == "no-store"


def test_what_reevaluates_from_the_search_is_named_and_not_counted(make_study: Make) -> None:
    study = make_study(budget=9, study_name="s")
    mark = {"phase": "confirm", "point": "trial 0", "replicate": 1}
    run_trials(study, [COMPLETE])
    reevaluation = create_trial(value=1.0, system_attrs={"hpotool:phase": mark})
    study.optuna.add_trial(reevaluation)
    pages = pages_of(study)
    assert show(pages, "studies", 1).figure("complete") == "1"
    assert "for confirm: trial 0, replicate 2" in show(pages, "studies", 1, "trials", 1).text
    assert numbers(show(pages, "studies", 1, "trials")) == [1, 0]


def test_a_branch_a_final_training_and_their_files_are_named(make_study: Make) -> None:
    study = make_study(budget=9, study_name="s")
    branch = {"predecessor": 0, "source": 0, "source_root": 0, "steps": 8, "tier": 1, "explored": {"x": [1, 2]}}
    kept = {"place": "/models/s", "files": [{"name": "model.pt", "bytes": 2048, "sha256": "ab" * 32}]}
    final = {"phase": "final", "point": "trial 1", "replicate": 0}
    for attributes in ({}, {"hpotool:branch": branch}, {"hpotool:phase": final, "hpotool:artifacts": kept}):
        study.optuna.add_trial(create_trial(value=1.0, system_attrs=attributes))
    pages = pages_of(study)
    source, branched, trained = (
        " ".join(show(pages, "studies", 1, "trials", number).text.split()) for number in range(3)
    )
    assert "Trial 1 continues from its checkpoint." in source
    assert (
        "It continues from a checkpoint of trial 0 , up to step 8, in tier 2. Changed: x from 1 to 2" in branched
    )
    assert "for final: trial 1" in trained
    assert "model.pt 2.0 KiB abababababababab… in /models/s" in trained
    assert "Artifacts" not in branched


def test_what_is_measured_again_is_on_the_study_s_page(make_study: Make) -> None:
    study = make_study(budget=9, study_name="s")
    run_trials(study, [COMPLETE, COMPLETE])
    points = (Point("trial 0", {}, trial=0), Point("trial 1", {"x": 1.0}, trial=1))
    order_confirmation(study.connection.run, study.study_id, "ann@desk", lambda before: Order(points, seeds=2))
    page = show(pages_of(study), "studies", 1)
    data = read_status(study.connection, study.optuna).as_data()["confirmation"]
    assert data["sentence"] in page.text
    assert (
        f"{data['replicates']['finished']} of {data['replicates']['asked']} replicates are measured" in page.text
    )
    assert "trial 1" in page.text
    run_trials(study, [COMPLETE])
    latest = read_status(
        study.connection, optuna.load_study(study_name="s", storage=study.optuna._storage)
    ).as_data()
    assert (latest["latest"][0]["confirms"], latest["latest"][0]["values"]) == ("trial 0", {"value": 2.0})
    assert "confirms" not in latest["latest"][1]
    assert "confirms trial 0" in show(pages_of(study), "studies", 1).text


def test_every_number_of_a_confirmation_stands_below_its_heading(make_study: Make) -> None:
    """The best is the baseline, which has neither a difference nor a value of the search; a replicate failed."""
    study = make_study(budget=1, study_name="s")
    run_trials(study, [COMPLETE])
    points = (
        Point("trial 0", {"x": 0.1}, trial=0, found={"value": 7.25}),
        Point("baseline", {"x": 0.2}, is_baseline=True),
    )
    order_confirmation(study.connection.run, study.study_id, "ann@desk", lambda before: Order(points, seeds=2))
    worker = study.worker()
    for value in (5.0, 1.0, None, 1.5):
        attempt = study.claim(worker)
        state = TrialState.FAIL if value is None else TrialState.COMPLETE
        ending = Ending(Outcome.ERROR, "no") if value is None else Ending(Outcome.COMPLETE)
        finish_attempt(
            study.connection.run, attempt, worker.worker_id, state, None if value is None else [value], ending
        )
    body = show(pages_of(study), "studies", 1).body
    part = body[body.index('aria-label="Confirmed points"') :]
    part = part[: part.index("</table>")]
    heads = re.findall(r"<th [^>]*>([^<]*)</th>", part)
    rows = [re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in part.split("<tr>")[2:]]
    assert [len(row) for row in rows] == [len(heads)] * 2
    found = {row[0]: dict(zip(heads, row, strict=True)) for row in rows}
    assert list(found) == ["baseline", "trial 0"]
    assert (found["baseline"]["value_search"], found["baseline"]["failed"]) == ("", "")
    assert (found["trial 0"]["value_search"], found["trial 0"]["failed"]) == ("7.25", "1")
    assert (found["trial 0"]["n"], found["trial 0"]["value_diff"]) == ("1", "4")


def test_checkpoints_of_a_retried_trial_are_those_of_its_lineage(make_study: Make) -> None:
    study = make_study(budget=9, study_name="s")
    study.optuna.add_trial(create_trial(state=TrialState.FAIL))
    retry = {"failed_trial": 0, "retry_history": [0]}
    study.optuna.add_trial(create_trial(value=1.0, system_attrs=retry))
    saved = home_folder() / "checkpoints" / "s" / "trial-00000" / "step-000000007"
    saved.mkdir(parents=True)
    (saved / "state.pt").write_bytes(b"x" * 2048)
    for number in (0, 1):
        page = " ".join(show(pages_of(study), "studies", 1, "trials", number).text.split())
        assert "step-000000007 7 2.0 KiB" in page


def test_the_cost_is_that_of_compare_and_report(make_study: Make) -> None:
    study = make_study(budget=9, study_name="s")
    run_trials(study, [COMPLETE, FAILED, COMPLETE])
    study.connection.run(
        "UPDATE hpotool.attempts SET started_at = ended_at - interval '90 minutes' * (number + 1)"
    )
    attempts = list_attempts(study.connection, "s")
    cost = make_side(study.optuna, "value", attempts, prices={"GPU-7": 2.0}).cost
    rows = {row.outcome: row for row in sum_spending(read_spending(study.connection, 1), {"GPU-7": 2.0})}
    assert rows["all"].seconds == pytest.approx(3600 * cost.hours) == 90 * 60 * 6
    assert rows["error"].seconds == pytest.approx(3600 * cost.lost_hours)
    assert rows["all"].cost == pytest.approx(cost.cost)
    assert "9 h" in show(pages_of(study), "studies", 1).text


def test_attempts_are_read_of_some_trials_and_in_brief(make_study: Make) -> None:
    study = make_study(budget=9, study_name="s")
    run_trials(study, [COMPLETE, FAILED, COMPLETE])
    assert set(list_attempts(study.connection, "s")) == {0, 1, 2}
    assert set(list_attempts(study.connection, "s", [0, 2, 99])) == {0, 2}
    assert list_attempts(study.connection, "s", []) == {}
    [whole] = list_attempts(study.connection, "s", 1)[1]
    [brief] = list_attempts(study.connection, "s", 1, brief=True)[1]
    assert whole["output_tail"] is not None
    assert brief == {**whole, "output_tail": None}
