"""What import-linter cannot say: it knows external packages only whole, not their modules."""

import ast
from pathlib import Path

import hpotool.study


def test_study_imports_only_distributions_from_optuna() -> None:
    imported: set[str] = set()
    for path in Path(hpotool.study.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module)
    from_optuna = {name for name in imported if name.split(".")[0] == "optuna"}
    assert from_optuna <= {"optuna.distributions"}
