from __future__ import annotations

import pytest

from hpotool.study.origins.paths import check_data_path


@pytest.mark.parametrize(
    "path", ["data/train.csv", "/abs", "${DATA}/x", "s3://bucket/x", "https://u@host/x", "d.dvc"]
)
def test_paths_and_urls_name_data(path: str) -> None:
    assert check_data_path(path) == path


@pytest.mark.parametrize("path", ["", "  ", "a\0b", "https://u:secret@host/x", "http://[broken"])
def test_a_password_or_nothing_does_not(path: str) -> None:
    with pytest.raises(ValueError, match=r"data|password|URL") as caught:
        check_data_path(path)
    assert "secret" not in str(caught.value)
