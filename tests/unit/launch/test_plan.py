from __future__ import annotations

import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hpotool.errors import InputError
from hpotool.launch.plan import ProgramError, Step, run_step, show_plan
from tests.examples import examples


def test_a_step_is_shown_as_a_shell_takes_it() -> None:
    step = Step("write it", ("sh", "-c", "cat > 'a b'"), b"one\nEOF\ntwo\n")
    shown = step.as_text()
    assert shown.splitlines()[0] == "# write it"
    assert shown.endswith("<<'EOF_'\none\nEOF\ntwo\nEOF_\n"), "a text that holds the end mark gets another one"
    assert list(show_plan([Step("look", ("squeue",))])) == ["# look\nsqueue\n"]


def test_what_is_shown_instead_hides_what_is_read() -> None:
    assert "s3cret" not in Step("it", ("cat",), b"s3cret", "***").as_text()


def test_a_program_gets_what_it_reads_and_answers() -> None:
    assert run_step(Step("echo it", ("cat",), b"hello")) == "hello"


def test_a_failure_says_the_last_thing_that_the_program_said() -> None:
    with pytest.raises(ProgramError, match=r"^try it: no way$") as failed:
        run_step(Step("try it", ("sh", "-c", "echo first >&2; echo no way >&2; exit 3")))
    assert failed.value.code == 3
    with pytest.raises(ProgramError, match="sh ended with exit code 7"):
        run_step(Step("try it", ("sh", "-c", "exit 7")))


def test_a_program_that_is_missing_or_hangs_is_said() -> None:
    with pytest.raises(InputError, match="there is no no-such-program"):
        run_step(Step("it", ("no-such-program",)))
    with pytest.raises(ProgramError, match=r"did not end within 0.1 s"):
        run_step(Step("it", ("sleep", "60")), patience_s=0.1)


@settings(max_examples=examples(40), deadline=None)
@given(
    st.lists(st.sampled_from(["EOF", "EOF_", "$HOME", "`id`", "\\", "it's", "a b", "", "é", "#"]), max_size=6).map(
        "\n".join
    )
)
@example("a\nEOF")
@example("EOF")
@example("EOF\nEOF_\nEOF__")
def test_a_shell_that_gets_the_shown_step_runs_exactly_that_step(text: str) -> None:
    step = Step("why: it's so", ("cat", "-"), text.encode())
    said = subprocess.run(["sh", "-c", step.as_text()], input="", capture_output=True, text=True, check=True)
    assert said.stdout.rstrip() == text.rstrip()
    assert said.stderr == ""


@settings(max_examples=examples(25), deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9), max_size=4))
def test_words_are_shown_as_a_shell_reads_them_back(words: list[str]) -> None:
    shown = Step("print", ("printf", "%s\\0", *words)).as_text()
    said = subprocess.run(["sh", "-c", shown], capture_output=True, check=True)
    assert said.stdout.decode().split("\0")[:-1] == (words or [""])


@pytest.mark.parametrize("program", ["ssh", "sbatch", "scontrol", "squeue", "scancel", "kubectl"])
def test_a_program_that_is_not_here_is_answered_with_where_it_is(
    program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InputError, match=f"there is no {program} on this machine") as refused:
        run_step(Step("it", (program, "--version")))
    assert refused.value.hint
