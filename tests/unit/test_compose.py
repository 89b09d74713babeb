"""docker-compose.yml, Dockerfile and .env.example agree with each other and with the command line; no engine."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from hpotool.cli.app import app

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE = yaml.safe_load(COMPOSE_TEXT)
SERVICES = COMPOSE["services"]
HPOTOOL_SERVICES = {name: service for name, service in SERVICES.items() if service["image"].startswith("hpotool")}
DOCKERFILE = (ROOT / "Dockerfile").read_text()
EXAMPLE_LINES = [line for line in (ROOT / ".env.example").read_text().splitlines() if line and line[0] != "#"]
EXAMPLE = {name: value.strip("'") for name, _, value in (line.partition("=") for line in EXAMPLE_LINES)}
SECRETS = ("POSTGRES_PASSWORD", "HPOTOOL_DASHBOARD_LOGIN")
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def with_defaults(text: str) -> str:
    """``text`` as compose reads it where .env sets nothing but what must be set."""
    return VARIABLE.sub(lambda match: match[3] if match[2] == "-" else "secret", text)


def strings(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for value in node.values():
            yield from strings(value)
    elif isinstance(node, list):
        for value in node:
            yield from strings(value)
    elif isinstance(node, str):
        yield node


def test_it_is_a_compose_file() -> None:
    check = Path(sys.executable).with_name("check-jsonschema")
    answer = subprocess.run(
        [check, "--builtin-schema", "vendor.compose-spec", ROOT / "docker-compose.yml"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize("name", HPOTOOL_SERVICES)
def test_every_service_runs_a_command_that_hpotool_understands(name: str) -> None:
    words = [with_defaults(word) for word in HPOTOOL_SERVICES[name]["command"]]
    command = typer.main.get_command(app)
    with command.make_context("hpotool", words) as context:
        subcommand = command.get_command(context, words[0])
        assert subcommand is not None, f"hpotool has no command {words[0]}"
        subcommand.make_context(words[0], words[1:])  # raises on an unknown option or a wrong value


@pytest.mark.parametrize("name", HPOTOOL_SERVICES)
def test_every_service_finds_the_database_and_its_home(name: str) -> None:
    service = HPOTOOL_SERVICES[name]
    address = re.fullmatch(r"postgresql://(\w+)@(\w+):5432/(\w+)", service["environment"]["HPOTOOL_STORAGE"])
    assert address, "the URL holds no password, and nothing that compose would have to fill in"
    postgres = SERVICES[address[2]]["environment"]
    assert (postgres["POSTGRES_USER"], postgres["POSTGRES_DB"]) == (address[1], address[3])
    assert service["environment"]["PGPASSWORD"] == postgres["POSTGRES_PASSWORD"]
    home = re.search(r"^ENV HPOTOOL_HOME=(\S+)$", DOCKERFILE, re.M)
    assert f"home:{home[1]}" in service["volumes"]
    assert "home" in COMPOSE["volumes"]


def test_services_start_in_an_order_that_works() -> None:
    assert SERVICES["study"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in ("worker", "gpu-worker"):
        assert SERVICES[name]["depends_on"] == {"study": {"condition": "service_completed_successfully"}}
    assert SERVICES["dashboard"]["depends_on"] == {
        "postgres": {"condition": "service_healthy"},
        "study": {"condition": "service_started"},
    }
    assert "healthcheck" in SERVICES["postgres"]


def test_no_secret_stands_in_a_file_that_is_committed() -> None:
    for text in strings(COMPOSE):
        if "PASSWORD" in text or "LOGIN" in text:
            assert VARIABLE.fullmatch(text), f"{text!r} is not taken from .env"
    assert [EXAMPLE[name] for name in SECRETS] == ["", ""]
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert ".env" in ignored
    assert not re.search("PASSWORD|LOGIN", DOCKERFILE)


def test_a_secret_of_any_characters_can_be_written_between_the_quotes_that_stand_there() -> None:
    for secret in SECRETS:
        assert f"{secret}=''" in EXAMPLE_LINES


def test_one_service_builds_each_image_and_the_others_never_ask_a_registry_for_it() -> None:
    for image in ("hpotool", "hpotool-gpu"):
        sharing = [service for service in SERVICES.values() if service["image"] == image]
        assert sum("build" in service for service in sharing) == 1
        assert all("build" in service or service["pull_policy"] == "never" for service in sharing)
        assert all("pull_policy" not in service for service in sharing if "build" in service)
    # Whatever is asked for, the service that builds its image is started with it.
    for name, service in HPOTOOL_SERVICES.items():
        assert name == "study" or "study" in service["depends_on"]


def test_workers_are_named_after_the_machine_and_not_after_their_containers() -> None:
    for name in ("worker", "gpu-worker"):
        assert with_defaults(SERVICES[name]["hostname"]) == EXAMPLE["MACHINE"]


def test_a_worker_that_has_more_to_do_is_started_again() -> None:
    for name in ("worker", "gpu-worker"):
        assert SERVICES[name]["restart"].startswith("on-failure:")


def test_starting_without_a_password_is_refused() -> None:
    operators = {match[1]: match[2] for match in VARIABLE.finditer(COMPOSE_TEXT)}
    assert operators["POSTGRES_PASSWORD"] == "?"


def test_the_example_environment_names_what_compose_reads() -> None:
    read = {match[1] for match in VARIABLE.finditer(COMPOSE_TEXT)}
    assert set(EXAMPLE) <= read
    assert read - set(EXAMPLE) == {"GPU"}  # set for one command at a time
    for match in VARIABLE.finditer(COMPOSE_TEXT):
        if match[2] == "-" and match[1] in EXAMPLE:
            assert EXAMPLE[match[1]] == match[3], f"{match[1]} has two defaults"


def test_the_example_study_is_there_and_bears_its_name() -> None:
    study = yaml.safe_load((ROOT / EXAMPLE["STUDY_FILE"]).read_text())
    assert study["study"] == EXAMPLE["STUDY"]
    module = study["objective"]["python"].partition(":")[0]
    assert (ROOT / f"{module.replace('.', '/')}.py").exists()


def test_a_gpu_worker_gets_one_gpu_and_only_when_asked_for() -> None:
    assert [name for name, service in SERVICES.items() if service.get("profiles")] == ["gpu-worker"]
    service = SERVICES["gpu-worker"]
    [device] = service["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]
    assert len(device["device_ids"]) == 1
    assert service["command"][-2:] == ["--gpu", "0"]
    assert service["image"] != SERVICES["worker"]["image"]


def test_the_dashboard_is_published_where_it_listens_and_to_this_machine_only() -> None:
    for name, port in (("dashboard", SERVICES["dashboard"]["command"][-1]), ("postgres", "5432")):
        [published] = [with_defaults(each) for each in SERVICES[name]["ports"]]
        assert published.startswith("127.0.0.1:")
        assert published.endswith(f":{port}")


def test_the_image_copies_only_what_is_there_and_not_ignored() -> None:
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    admitted = [rule[1:] for rule in rules if rule.startswith("!")]
    assert rules[0] == "*"
    sources = [word for line in re.findall(r"^COPY (.+)$", DOCKERFILE, re.M) for word in line.split()[:-1]]
    assert "hpotool" in sources
    for source in sources:
        assert (ROOT / source).exists()
        assert any(fnmatch(source, rule) for rule in admitted), f"{source} is kept out by .dockerignore"


def test_the_image_installs_extras_that_exist_and_starts_the_command() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = [EXAMPLE["EXTRAS"], EXAMPLE["GPU_EXTRAS"], re.search(r"^ARG EXTRAS=(\S+)$", DOCKERFILE, re.M)[1]]
    for extras in lists:
        assert set(extras.split(",")) <= set(project["optional-dependencies"])
        assert "dashboard" in extras
    [program] = yaml.safe_load(re.search(r"^ENTRYPOINT (.+)$", DOCKERFILE, re.M)[1])
    assert program in project["scripts"]
    assert "USER hpotool" in DOCKERFILE
