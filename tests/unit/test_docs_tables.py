"""Tables in the docs that follow from the code are as the code has them."""

import re
from pathlib import Path

import pytest

from tests.docs_tables import DOCS, TABLES, with_tables


@pytest.mark.parametrize("document", sorted(DOCS.glob("*.md")), ids=lambda document: document.name)
def test_each_table_is_as_the_code_has_it(document: Path) -> None:
    text = document.read_text()
    assert text == with_tables(text), "write it anew with: make docs-tables"


def test_each_table_stands_somewhere() -> None:
    texts = "".join(document.read_text() for document in DOCS.glob("*.md"))
    assert sorted(re.findall(r"<!-- table: (\w+) -->", texts)) == sorted(TABLES)
