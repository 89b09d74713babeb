"""Text files that users name: their text, or one sentence with a hint that can be pasted."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpotool.errors import EXIT_NOT_FOUND, EXIT_WRONG_INPUT, InputError, NotFoundError
from hpotool.user_files import read_text_file


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"], ids=["plain", "with a byte order mark"])
def test_a_text_is_read_without_its_mark(start: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(start + "lr: 0.1 # ä\n".encode())
    assert read_text_file(tmp_path / "a", hint=lambda: "write one") == "lr: 0.1 # ä\n"


def test_what_cannot_be_read_gets_a_sentence_and_a_hint(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as missing:
        read_text_file(tmp_path / "none", "study file", hint=lambda: "write one")
    assert missing.value.message == f"the study file {tmp_path / 'none'} does not exist"
    assert (missing.value.hint, missing.value.exit_code) == ("write one", EXIT_NOT_FOUND)

    binary = tmp_path / "of two words"
    binary.write_bytes(b"\xff\xfe\x00x")
    with pytest.raises(InputError, match=r"^the file .*of two words is not UTF-8 text\n") as wrong:
        read_text_file(binary, hint=lambda: "write one")
    assert wrong.value.hint == f"to see what it is: file '{binary}'"
    with pytest.raises(InputError, match=r"^the file .* cannot be read: Is a directory\n") as folder:
        read_text_file(tmp_path, hint=lambda: "write one")
    assert (folder.value.hint, folder.value.exit_code) == (f"ls -ld {tmp_path}", EXIT_WRONG_INPUT)


def test_the_hint_is_made_only_when_it_is_needed(tmp_path: Path) -> None:
    def refuse() -> str:
        raise AssertionError

    (tmp_path / "a").write_text("text")
    assert read_text_file(tmp_path / "a", "file", hint=refuse) == "text"
