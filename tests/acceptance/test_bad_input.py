"""Whatever is wrong, the answer is a sentence, a hint and the documented exit code: never a traceback."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import optuna
import pytest

from tests.acceptance.command_line import CommandLine
from tests.postgres import TestServer

WRONG, NOT_FOUND, UNREACHABLE = 2, 3, 4

GOOD = """
study: bad-input
objective: {python: "objectives.quadratic:objective"}
metrics: {height: minimize}
search_space: {x: {float: [0.0, 1.0]}}
budget: {trials: 4}
"""


CSV = "lr,loss\n0.1,0.5\n"


@dataclass(frozen=True)
class Mistake:
    """What somebody types or writes, and what must be in the answer."""

    name: str
    arguments: str
    code: int
    says: str
    files: dict[str, str] = field(default_factory=dict)
    storage: str | None = None
    lines: int = 1


def study_file(name: str, text: str, says: str, code: int = WRONG, lines: int = 1) -> Mistake:
    return Mistake(name, "create-study bad.yaml", code, says, {"bad.yaml": text}, lines=lines)


MISTAKES = [
    # The command line itself
    Mistake("unknown-command", "tune", WRONG, "No such command 'tune'"),
    Mistake("unknown-option", "status --sudy known", WRONG, "No such option: --sudy"),
    Mistake("option-without-value", "status --study", WRONG, "requires an argument"),
    Mistake("unknown-format", "status -s known --format xml", WRONG, "'xml' is not one of"),
    Mistake("argument-too-many", "studies known more", WRONG, "unexpected extra argument"),
    Mistake(
        "file-missing-on-line", "create-study", WRONG, "--study: this is required without a study file", lines=3
    ),
    Mistake("file-and-flags", "create-study x.yaml --trials 3", WRONG, "either a study file or flags"),
    Mistake("trial-not-a-number", "show best -s known", WRONG, "must be a whole number"),
    Mistake("trial-negative", "show -s known -- -1", WRONG, "must be 0 or more"),
    Mistake("trial-too-large", f"logs {10**20} -s known", WRONG, "a number is too large"),
    Mistake("workers-too-many", f"worker known --workers {10**14}", WRONG, "must be 1000 or less"),
    Mistake("count-too-large", f"events -s known --last {10**20}", WRONG, "a number is too large"),
    Mistake("reason-of-no-text", "pause -s known --reason \udcff", WRONG, "'\\udcff' is no character"),
    Mistake("count-of-zero", "best -s known --count 0", WRONG, "must be 1 or more"),
    Mistake("unknown-evaluator", "importance -s known --evaluator shap", WRONG, "'shap' is not one of"),
    Mistake("export-what", "export parameters -s known", WRONG, "'parameters' is not one of"),
    Mistake("export-trial-of-trials", "export trials -s known --trial 1", WRONG, "--trial goes with params"),
    Mistake("export-to-no-folder", "export trials -s known -o no/such.csv", WRONG, "cannot be written"),
    Mistake("plot-what", "plot pie -s known", WRONG, "'pie' is not one of"),
    Mistake("plot-of-nothing", "plot -s empty", WRONG, "no complete trial to draw"),
    Mistake("plot-front-of-one-metric", "plot pareto -s known", WRONG, "2 or 3 metrics"),
    Mistake("plot-to-jpg", "plot -s known -o known.jpg", WRONG, "a plot is html, svg, png or pdf"),
    Mistake("plot-of-two", "plot slice known empty", WRONG, "slice draws one study, but 2 are given"),
    Mistake("plot-of-no-parameter", "plot slice -s known -p rate", NOT_FOUND, "no parameter 'rate'"),
    Mistake("plot-to-no-folder", "plot -s known -o no/such.html", WRONG, "cannot be written"),
    # The database
    Mistake("no-url", "studies", WRONG, "storage URL cannot be read", storage="database"),
    Mistake("sqlite", "studies", WRONG, "needs Postgres", storage="sqlite:///study.db"),
    Mistake("mysql", "studies", WRONG, "needs Postgres", storage="mysql://u:hunter2@localhost/x"),
    Mistake("no-database-name", "studies", WRONG, "names no database", storage="postgresql://u@localhost"),
    Mistake("port-not-a-number", "studies", WRONG, "cannot be read", storage="postgresql://u@localhost:five/x"),
    Mistake("nobody-listens", "studies", UNREACHABLE, "does not answer", storage="{closed}"),
    Mistake("unknown-host", "studies", UNREACHABLE, "does not answer", storage="postgresql://u@no.invalid/x"),
    Mistake("wrong-password", "studies", UNREACHABLE, "authentication failed", storage="{wrong}"),
    Mistake("unknown-database", "studies", UNREACHABLE, "does not exist", storage="{unknown_database}"),
    # Names that do not exist
    Mistake("unknown-study", "status --study unknown", NOT_FOUND, "study 'unknown' does not exist"),
    Mistake("misspelt-study", "best --study knwon", NOT_FOUND, "study 'knwon' does not exist"),
    Mistake("unknown-study-of-trials", "trials -s ''", NOT_FOUND, "does not exist"),
    Mistake("several-studies", "status", WRONG, "several studies"),
    Mistake("unknown-trial", "show 99 -s known", NOT_FOUND, "no trial 99"),
    Mistake(
        "failures-of-a-metric", "importance -s known --target failures -m accuracy", WRONG, "failures have none"
    ),
    Mistake("failures-by-ped", "importance -s known --target failures --evaluator fanova", WRONG, "metrics only"),
    Mistake("one-study-to-compare", "compare known", WRONG, "an old study and a new one"),
    Mistake("unknown-study-to-compare", "compare known nothing-such", NOT_FOUND, "does not exist"),
    Mistake("unknown-metric", "importance -s known --metric loss", NOT_FOUND, "no metric 'loss'"),
    Mistake("params-of-unknown-trial", "export params -s known --trial 99", NOT_FOUND, "no trial 99"),
    Mistake("params-of-nothing", "export params -s empty", NOT_FOUND, "no trial is complete yet"),
    Mistake("importance-of-nothing", "importance -s empty", WRONG, "at least 2 complete trials"),
    # Managing studies
    Mistake("delete-what", "delete --yes", WRONG, "Missing argument 'STUDY"),
    Mistake("delete-misspelt", "delete knwon --yes", NOT_FOUND, "study 'knwon' does not exist"),
    Mistake("delete-without-anybody", "delete known", WRONG, "nobody can confirm it"),
    Mistake("rename-to-what", "rename known", WRONG, "Missing argument 'NEW_NAME"),
    Mistake("rename-to-a-path", "rename known my/study", WRONG, "like my-study"),
    Mistake("rename-to-itself", "rename known known", WRONG, "already named 'known'"),
    Mistake("rename-to-another", "rename known empty", WRONG, "there is already a study 'empty'"),
    Mistake("rename-of-nothing", "rename nope x", NOT_FOUND, "study 'nope' does not exist"),
    Mistake("clone-over-another", "clone known empty", WRONG, "there is already a study 'empty'"),
    Mistake("clone-with-what", "clone known new --with points,trials", WRONG, "is not one of"),
    Mistake("retry-nothing", "retry known", WRONG, "no trial is given"),
    Mistake("retry-a-word", "retry known two", WRONG, "must be a whole number"),
    Mistake("retry-named-and-all", "retry known 1 --failed", WRONG, "not both"),
    Mistake("retry-complete", "retry known 1", WRONG, "only failed trials can be retried"),
    Mistake("retry-unknown", "retry known 99", NOT_FOUND, "no trial 99"),
    Mistake("retry-none-failed", "retry known --failed", NOT_FOUND, "no failed trial to retry"),
    Mistake("retry-where-typo", "retry known --where outcome=crsh", WRONG, "did you mean 'crash'?"),
    Mistake("retry-where-what", "retry -s known --where lr=3", WRONG, "no trial has 'lr'"),
    Mistake("budget-of-plain-optuna", "budget known --trials +10", NOT_FOUND, "created by plain Optuna"),
    Mistake("note-without-quotes", "note known looks good", WRONG, "the note has 2 parts"),
    Mistake("note-on-unknown-trial", "note known 99 good", NOT_FOUND, "no trial 99"),
    Mistake("note-removed-with-text", "note known good --remove", WRONG, "--remove does not take a text"),
    Mistake("tag-of-plain-optuna", "tag known owner=ann", NOT_FOUND, "created by plain Optuna"),
    # Moving in and out
    Mistake("import-nothing", "import", WRONG, "Missing argument"),
    Mistake("import-no-file", "import nowhere.db", NOT_FOUND, "nowhere.db does not exist"),
    Mistake("import-no-sqlite", "import sqlite:///nowhere.db", NOT_FOUND, "nowhere.db does not exist"),
    Mistake("import-a-folder", "import .", WRONG, ". is not a file"),
    Mistake(
        "import-a-text",
        "import a.txt",
        WRONG,
        "neither an SQLite database nor an Optuna journal",
        {"a.txt": "hello"},
    ),
    Mistake("import-unknown-kind", "import db2://u:hunter2@h/x", WRONG, "db2"),
    Mistake("import-away", "import postgresql://u:hunter2@127.0.0.1:1/x", UNREACHABLE, "cannot be read"),
    Mistake("csv-without-name", "import t.csv", WRONG, "needs a name", {"t.csv": CSV}),
    Mistake("csv-without-metric", "import t.csv --study n", WRONG, "does not say which columns", {"t.csv": CSV}),
    Mistake("csv-no-direction", "import t.csv -s n --metric loss", WRONG, "NAME:minimize", {"t.csv": CSV}),
    Mistake(
        "csv-no-column", "import t.csv -s n --metric los:minimize", WRONG, "did you mean 'loss'", {"t.csv": CSV}
    ),
    Mistake("csv-ragged", "import t.csv -s n --metric l:minimize", WRONG, "t.csv:2:", {"t.csv": "a,l\n1\n"}),
    Mistake(
        "csv-text", "import t.csv -s n --metric l:minimize", WRONG, "'bad' is not a num", {"t.csv": "a,l\n1,bad\n"}
    ),
    Mistake("init-of-nothing", "init", WRONG, "a file, --from-study or --example"),
    Mistake("init-of-text", "init notes.txt", WRONG, "neither a Python script nor YAML", {"notes.txt": "x"}),
    Mistake("init-no-options", "init a.py", WRONG, "no argparse options", {"a.py": "print(1)"}),
    Mistake("init-no-python", "init a.py", WRONG, "a.py:1: this is not valid Python", {"a.py": "def f(:"}),
    Mistake("init-a-study-file", "init good.yaml", WRONG, "is not a sweep", {"good.yaml": GOOD}),
    Mistake("init-over-a-file", "init --from-study known -o a", WRONG, "overwrites no file", {"a": ""}),
    Mistake("export-to-excel", "export trials -s known -o t.xlsx", WRONG, "ends with .xlsx"),
    Mistake("export-binary", "export trials -s known -f parquet", WRONG, "cannot be written to a terminal"),
    Mistake("export-several-trials", "export trials -s known -n 3", WRONG, "-n goes with params"),
    # Pools, shares, quotas, usage
    Mistake("pool-of-nobody", "pools nowhere", NOT_FOUND, "no study names it"),
    Mistake(
        "pool-and-study", "worker made --pool p", WRONG, "a worker serves one study, or with --pool all of a pool"
    ),
    Mistake("stay-without-pool", "worker made --stay", WRONG, "--stay is for workers of a pool"),
    Mistake(
        "share-priority-word", "share made --priority high", WRONG, "--priority high: expected a whole number"
    ),
    Mistake("share-of-weight-0", "share made --weight 0", WRONG, "expected a number from 0.001"),
    Mistake("share-of-plain-optuna", "share known --priority 1", NOT_FOUND, "created by plain Optuna"),
    Mistake("quota-below-zero", "quota set ann -5", WRONG, "-5 is below zero"),
    Mistake("quota-of-nan", "quota set ann nan", WRONG, "nan is no number of GPU-hours"),
    Mistake("quota-a-year", "quota set ann 5 --per year", WRONG, "is not one of day, week, month"),
    Mistake("quota-of-nobody", "quota remove bob", NOT_FOUND, "bob has no quota"),
    Mistake("usage-since-soon", "usage --since soon", WRONG, "'soon' is not a duration"),
    # Confirming, comparing, final trainings, reproducing
    Mistake("confirm-percent", "confirm made --confidence 95", WRONG, "--confidence must be 0.999 or less"),
    Mistake("confirm-one-seed", "confirm made --seeds 1", WRONG, "--seeds must be 2 or more"),
    Mistake("confirm-most-of-what", "confirm made --most 9", WRONG, "no --confidence was given"),
    Mistake("confirm-from-itself", "confirm made --from-study made", WRONG, "names 'made' itself"),
    Mistake("confirm-before-any", "confirm made", NOT_FOUND, "no trial is complete yet"),
    Mistake("compare-with-itself", "compare made made", WRONG, "an old study and a new one"),
    Mistake("enqueue-from-itself", "enqueue made --from-study made", WRONG, "names 'made' itself"),
    Mistake("run-what", "run made --trial 0", WRONG, "both --trial and --final"),
    Mistake("run-no-such-trial", "run made --trial 7 --final", NOT_FOUND, "no trial 7"),
    Mistake("reproduce-what", "reproduce made", WRONG, "the number of a trial"),
    Mistake("reproduce-nowhere", "reproduce made 0 --code nowhere", WRONG, "--code: there is nothing at nowhere"),
    Mistake("reproduce-no-lock", "reproduce --run lock.json", WRONG, "lock.json cannot be read"),
    Mistake("reproduce-a-folder", "reproduce --run .", WRONG, ". cannot be read"),
    Mistake("reproduce-half-a-lock", "reproduce --run l.json", WRONG, "l.json cannot be read", {"l.json": "{"}),
    Mistake("reproduce-another-file", "reproduce --run l.json", WRONG, "no lock file", {"l.json": "[]"}),
    Mistake("fetch-nothing", "artifacts made --fetch there", NOT_FOUND, "no final training has kept any files"),
    Mistake("artifacts-of-no-trial", "artifacts made --trial 99", NOT_FOUND, "no trial 99"),
    # Tracking and notifications
    Mistake("track-to-what", "track made", WRONG, "no tracker was given"),
    Mistake("track-misspelt", "track made --to mlflw", WRONG, "did you mean 'mlflow'?"),
    Mistake("track-to-ftp", "track made --to mlflow --address ftp://x", WRONG, "no address of MLflow"),
    Mistake("track-no-experiment", "track made --to tensorboard --experiment x", WRONG, "is for mlflow only"),
    Mistake("track-to-a-file", "track made --to tensorboard --address f", WRONG, "f is a file", {"f": "x"}),
    Mistake("notify-nobody", "notify --test", WRONG, "nothing says where notices go"),
    # Fleets
    Mistake("launch-where", "launch sssh made", WRONG, "Did you mean 'ssh'?"),
    Mistake("launch-without-host", "launch ssh made", WRONG, "no host is named"),
    Mistake("launch-an-option", "launch ssh made --host -oX", WRONG, "'-oX' is no host name"),
    Mistake("launch-without-image", "launch kubernetes made", WRONG, "no image is named"),
    Mistake("launch-no-code", "launch local made --code nowhere", WRONG, "nowhere"),
    Mistake("launch-plain-optuna", "launch local known --dry-run", WRONG, "no settings"),
    Mistake("launch-to-no-pool", "launch local made --pool p", NOT_FOUND, "no study is in pool 'p'"),
    Mistake("scale-nothing", "workers made --scale 3", WRONG, "no launch to scale"),
    Mistake("stop-which-worker", "workers made --worker x", WRONG, "--stop is missing"),
    Mistake("quarantine-nothing", "quarantine made --add ''", WRONG, "--add '' is no host and no GPU"),
    Mistake("quarantine-for-what", "quarantine made --for 2h", WRONG, "--add is missing"),
    Mistake("quarantine-both", "quarantine made --add a --lift b", WRONG, "cannot go together"),
    Mistake("drill-misspelt", "drill --allow kil", WRONG, "'kil' is no attack"),
    Mistake("drill-soon", "drill --patience soon", WRONG, "'soon' is not a duration"),
    Mistake("doctor-of-nothing", "doctor nope", NOT_FOUND, "study 'nope' does not exist"),
    Mistake("doctor-for-no-host", "doctor --hpotool x", WRONG, "--host, which is missing"),
    Mistake("metrics-not-served", "metrics --port 9000", WRONG, "--serve, which is missing"),
    Mistake("metrics-nowhere", "metrics --serve --host nope.invalid", WRONG, "not an address of this machine"),
    Mistake("checkpoints-nowhere", "clean --checkpoints s4://b/x --yes", WRONG, "s4://b/x cannot be used"),
    # Study files
    study_file("data-of-numbers", GOOD + "data: [train.csv, 3]\n", "bad.yaml:7:19"),
    study_file("data-of-nothing", GOOD + "data: []\n", "an empty one"),
    study_file("holdout-mapping", GOOD + "holdout: {path: x}\n", "a list of names or folds"),
    study_file("reuse-please", GOOD + "reuse: please\n", "expected true or false"),
    study_file("regret-below-zero", GOOD.replace("trials: 4", "regret: -1"), "a number above 0"),
    study_file("gpu-memory-of-numbers", GOOD + "gpu_memory: 10\n", "a size with a unit"),
    study_file("notify-whom", GOOD + "notify: ann@example.org\n", "as a list, like [done, stopped]"),
    study_file("tracking-misspelt", GOOD + "tracking: {mlfow: x}\n", "did you mean 'mlflow'?"),
    study_file("baseline-outside", GOOD + "baseline: {x: 7}\n", "baseline: 'x' must be a float"),
    Mistake("budget-of-no-regret", "budget made --regret small", WRONG, "--regret small: expected a number"),
    Mistake(
        "changed-what", "create-study g.yaml --if-changed date", WRONG, "did you mean 'data'?", {"g.yaml": GOOD}
    ),
    Mistake(
        "no-data-to-change", "create-study g.yaml --if-changed data", WRONG, "names no data", {"g.yaml": GOOD}
    ),
    Mistake("file-not-there", "create-study nowhere.yaml", NOT_FOUND, "nowhere.yaml does not exist"),
    Mistake("file-is-a-folder", "create-study .", WRONG, "cannot be read"),
    study_file("empty-file", "", "bad.yaml:1"),
    study_file("not-yaml", "study: [bad\n", "bad.yaml:"),
    study_file("not-a-mapping", "- study\n", "bad.yaml:1:1"),
    study_file("tabs", "study: x\n\tbudget: {}\n", "bad.yaml:2"),
    study_file("no-metrics", GOOD.replace("metrics: {height: minimize}\n", ""), "metrics"),
    study_file("unknown-key", GOOD + "samplr: {name: tpe}\n", "samplr"),
    study_file("wrong-direction", GOOD.replace("minimize", "smaller"), "smaller"),
    study_file("low-above-high", GOOD.replace("[0.0, 1.0]", "[1.0, 0.0]"), "bad.yaml:5"),
    study_file("unknown-sampler", GOOD + "sampler: {name: bayes}\n", "bayes"),
    study_file("budget-of-text", GOOD.replace("trials: 4", "trials: many"), "many"),
    study_file("warm-start-outside", GOOD + "warm_start: [{x: 7.0}]\n", "bad.yaml:7"),
    study_file("warm-start-typo", GOOD + "warm_start: [{x: 0.5, xx: 0.5}]\n", "xx"),
    study_file("condition-on-nothing", GOOD.replace("1.0]}", "1.0], when: {y: 1}}"), "bad.yaml:5"),
    study_file("no-reference", GOOD.replace("quadratic:objective", "quadratic"), "bad.yaml:3"),
    study_file("two-problems", GOOD.replace("minimize", "down") + "prunner: {}\n", "prunner", lines=2),
    Mistake("override-unknown", "create-study good.yaml --set budgt=3", WRONG, "budgt", {"good.yaml": GOOD}),
    Mistake("override-no-value", "create-study good.yaml --set trials", WRONG, "trials", {"good.yaml": GOOD}),
    Mistake("override-wrong", "create-study good.yaml --set budget.trials=-1", WRONG, "-1", {"good.yaml": GOOD}),
]


@pytest.fixture(scope="module")
def known_database(postgres: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Plain Optuna's studies ``known``, of three trials, and ``empty``, and our own ``made``, of none."""
    with postgres.database(f"bad_input_{uuid.uuid4().hex}") as url:
        storage = optuna.storages.RDBStorage(url.replace("postgresql://", "postgresql+psycopg2://"))
        study = optuna.create_study(storage=storage, study_name="known")
        study.optimize(lambda trial: trial.suggest_float("x", 0.0, 1.0), n_trials=3)
        optuna.create_study(storage=storage, study_name="empty")
        storage.engine.dispose()
        file = tmp_path_factory.mktemp("made") / "made.yaml"
        file.write_text(GOOD.replace("bad-input", "made"))
        CommandLine(url).run("create-study", str(file))
        yield url


def fill_in(storage: str, url: str) -> str:
    """Put a URL's place holder into words: the same database with one thing wrong."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed_port = unused.getsockname()[1]
    login, _, place = url.rpartition("@")
    user = login.rpartition(":")[0]
    return storage.format(
        closed=f"postgresql://u:hunter2@127.0.0.1:{closed_port}/x",
        wrong=f"{user}:hunter2@{place}",
        unknown_database=f"{login}@{place.rpartition('/')[0]}/no_such_database",
    )


@pytest.mark.parametrize("mistake", MISTAKES, ids=[mistake.name for mistake in MISTAKES])
def test_a_mistake_is_answered_with_a_sentence_a_hint_and_an_exit_code(
    mistake: Mistake, known_database: str, tmp_path: Path
) -> None:
    for name, text in mistake.files.items():
        (tmp_path / name).write_text(text)
    url = fill_in(mistake.storage, known_database) if mistake.storage else known_database
    arguments = [argument.strip("'") for argument in mistake.arguments.split(" ")]

    done = CommandLine(url, tmp_path).run(*arguments, code=mistake.code)

    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    hints = [line for line in done.stderr.splitlines() if line.startswith("hint: ")]
    assert len(errors) == mistake.lines, done.stderr
    assert any(mistake.says in line for line in errors), done.stderr
    assert len(hints) == 1, done.stderr
    assert len(done.stderr.splitlines()) == len(errors) + len(hints), done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr
    assert done.stdout == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(mistake.files), (
        "nothing is lost, nothing left"
    )


def test_there_are_at_least_forty_mistakes() -> None:
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES) >= 40


def test_what_cannot_be_written_is_said(known_database: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = CommandLine(known_database).run("studies", code=1, stdout=full)
    assert done.stderr.splitlines() == [
        "error: the output cannot be written: No space left on device",
        "hint: free some space, and run the command again",
    ]


def test_debug_shows_where_an_error_came_from(known_database: str) -> None:
    done = CommandLine(known_database).run("--debug", "status", "-s", "unknown", code=1)
    assert "Traceback" in done.stderr
    assert "NotFoundError" in done.stderr
