from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpotool import __version__
from hpotool.errors import InputError
from hpotool.launch.plan import ProgramError, Step
from hpotool.launch.target import Cargo
from hpotool.launch.targets.ssh import Connection, SshTarget, check_hosts, judge_probe, split_options, spread
from tests.unit.launch.requests import CODE, VARIABLES, request

HOSTS = ["gpu1", "me@10.0.0.7"]
FINE = f"hpotool hpotool {__version__}\nsetsid there\ngpus 2\ncheckpoints made\n"


class Answers:
    """What ssh would bring back from each host; remembers what was asked."""

    def __init__(self, said: dict[str, str]) -> None:
        self.said = said
        self.steps: list[Step] = []

    def __call__(self, step: Step) -> str:
        self.steps.append(step)
        answer = self.said[step.argv[-2]]
        if answer.startswith("ssh:"):
            raise ProgramError(f"{step.why}: {answer}", None, 255)
        return answer


def ssh_request(**changes: object) -> object:
    return request("ssh", options={"hosts": HOSTS, "ssh": ""}, **changes)


def test_a_plan_hides_secrets_and_sends_all_that_a_host_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(CODE), "packed", lambda _: b"an archive")
    target = SshTarget(Connection(("-F", "config")))
    steps = target.steps(ssh_request(workers=3), Cargo(CODE, VARIABLES))  # type: ignore[arg-type]
    assert [step.argv[-2] for step in steps] == ["gpu1"] * 4 + ["me@10.0.0.7"] * 4
    assert not [step for step in steps if "s3cret" in " ".join(step.argv) + step.as_text()]
    assert b"s3cret" in steps[0].reads
    assert "umask 077" in steps[0].argv[-1]
    assert "start 2 workers" in steps[3].why
    assert "start 1 worker" in steps[7].why
    assert all(step.argv[:3] == ("ssh", "-o", "BatchMode=yes") for step in steps)
    script = steps[3].reads.decode()
    assert shlex.quote("my model/2") in script
    assert 'cd "$HOME/.hpotool/code/0123456789abcdef"' in script


def test_workers_are_spread_evenly_beside_those_that_run() -> None:
    assert spread(5, ["a", "b"], {}) == {"a": 3, "b": 2}
    assert spread(3, ["a", "b"], {"a": 3, "b": 1}) == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("hpotool sh: 1: hpotool: not found\nsetsid there\n", "gpu1 has no /opt/env/bin/hpotool that starts"),
        ("", "it said nothing"),
        ("hpotool hpotool 0.0.1\nsetsid there\n", "gpu1 has hpotool 0.0.1"),
        (f"hpotool hpotool {__version__}\n", "gpu1 has no setsid"),
        (
            f"hpotool hpotool {__version__}\nsetsid there\ngpus 1\n",
            "gpu1 has 1 GPUs, and its workers would need 2",
        ),
        (f"hpotool hpotool {__version__}\nsetsid there\n", "gpu1 has 0 GPUs"),
        (f"hpotool hpotool {__version__}\nsetsid there\ngpus 2\n", "the checkpoint folder /mnt/x is not shared"),
    ],
)
def test_a_host_that_cannot_work_is_refused_with_what_to_do(said: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as refused:
        judge_probe(ssh_request(checkpoints="/mnt/x"), "gpu1", said)  # type: ignore[arg-type]
    assert refused.value.hint


def test_every_host_is_looked_at_before_anything_starts() -> None:
    run = Answers({"gpu1": FINE, "me@10.0.0.7": "ssh: connect to host 10.0.0.7 port 22: No route to host"})
    with pytest.raises(
        InputError, match=r"on me@10\.0\.0\.7: look at what is there: ssh: connect to host"
    ) as refused:
        SshTarget(Connection(), run).prepare(ssh_request(checkpoints="/mnt/x"))  # type: ignore[arg-type]
    assert "ssh me@10.0.0.7 true" in str(refused.value.hint)
    assert "rm -f" in run.steps[-1].argv[-1], "the mark is removed also then"


def test_a_url_is_shared_and_needs_no_mark() -> None:
    run = Answers(dict.fromkeys(HOSTS, f"hpotool hpotool {__version__}\nsetsid there\n"))
    SshTarget(Connection(), run).prepare(ssh_request(checkpoints="s3://b/c", gpus=0))  # type: ignore[arg-type]
    assert not [step for step in run.steps if b"s3://" in step.reads]


def test_a_host_that_does_not_answer_is_unknown_and_gets_no_new_workers() -> None:
    run = Answers({"gpu1": "w1\truns\thello\n", "me@10.0.0.7": "ssh: connect to host 10.0.0.7: timed out"})
    target = SshTarget(Connection(), run)
    asked = ssh_request()
    jobs = target.look(asked, ())  # type: ignore[arg-type]
    assert [(job.name, job.state, job.why) for job in jobs] == [
        ("gpu1/w1", "running", ""),
        ("me@10.0.0.7/", "unknown", "ssh: connect to host 10.0.0.7: timed out"),
    ]
    assert target.avoid(asked, jobs).options["hosts"] == ["gpu1"]  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no host of the launch answers"):
        target.avoid(asked, [job for job in jobs if job.state == "unknown"] + [_away("gpu1")])  # type: ignore[arg-type]


def _away(host: str) -> object:
    from hpotool.launch.job import Job

    return Job(f"{host}/", "unknown", "", host)


@pytest.mark.parametrize("hosts", [[], ["-oProxyCommand=id"], ["a b"], ["a", "a"], ["a;id"]])
def test_what_is_no_host_is_refused(hosts: list[str]) -> None:
    with pytest.raises(InputError):
        check_hosts(hosts)


def test_options_for_ssh_are_words() -> None:
    assert split_options("-F 'my config' -p 2222") == ("-F", "my config", "-p", "2222")
    with pytest.raises(InputError, match="--ssh-options cannot be read"):
        split_options("'open")


HOST_NAMES = ["a", "b", "c", "d"]


@given(st.integers(0, 40), st.integers(1, 4), st.dictionaries(st.sampled_from(HOST_NAMES), st.integers(0, 9)))
def test_every_worker_has_a_host_and_no_host_more_than_it_must(
    workers: int, count: int, running: dict[str, int]
) -> None:
    hosts = HOST_NAMES[:count]
    more = spread(workers, hosts, running)
    assert list(more) == hosts
    assert sum(more.values()) == workers
    assert min(more.values()) >= 0
    whole = {host: running.get(host, 0) + more[host] for host in hosts}
    for host in hosts:
        if more[host]:  # nobody else has fewer than it had before its last one came
            assert whole[host] - 1 <= min(whole.values())


@pytest.mark.parametrize(
    "host",
    ["gpu1", "me@10.0.0.7", "node-3.cluster.example.org", "me@fe80::1%eth0", "a_b", "10.0.0.7:22"],
)
def test_what_ssh_takes_for_a_host_is_taken(host: str) -> None:
    check_hosts([host])


@pytest.mark.parametrize(
    "host", ["", " ", "-p", "--", "a b", "a\n", "$(id)", "a|b", "a&b", "'a'", "a/b", "@a", "größe!"]
)
def test_what_a_shell_or_ssh_would_take_for_something_else_is_refused(host: str) -> None:
    with pytest.raises(InputError) as refused:
        check_hosts(["fine", host])
    assert refused.value.hint


@pytest.mark.parametrize(
    ("text", "words"),
    [("", ()), ("  ", ()), ("-p 2222", ("-p", "2222")), ("-o 'ProxyJump=a b'", ("-o", "ProxyJump=a b"))],
)
def test_options_of_any_spacing_are_words(text: str, words: tuple[str, ...]) -> None:
    assert split_options(text) == words
