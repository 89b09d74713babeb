"""``hpotool report``: one file, opened in a real browser without a network, and as Markdown."""

from __future__ import annotations

import re
from pathlib import Path

from tests.acceptance.command_line import CommandLine
from tests.browser import rendered_text

OBJECTIVE = """
def objective(trial):
    if trial.number == 2:
        raise ValueError("<script>document.title = 'owned'</script> | `x` failed")
    for step in range(3):
        trial.report(trial.params["x"] + 1 / (step + 1), step)
    return trial.params["x"] ** 2
"""
STUDY = """
study: told
description: "<img src=x onerror=alert(1)>"
objective: {python: "told:objective"}
metrics: {loss: minimize}
search_space: {x: {float: [0.5, 2.0]}, kind: {choice: ["<b>", "a|b"]}}
retry: {error: 0}
budget: {trials: 6}
"""
PROBE = """<script>addEventListener("load", () => {
  const page = document.documentElement;
  const outside = performance.getEntriesByType("resource").length;
  document.body.append(` drawings:${document.querySelectorAll("svg").length} outside:${outside} ` +
    `fits:${page.scrollWidth <= innerWidth} title:${document.title} ` +
    `bold:${document.querySelectorAll("b").length}`);
})</script></body>"""


def test_a_report_is_one_page_that_says_what_status_says(hpotool: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "told.py").write_text(OBJECTIVE)
    (tmp_path / "told.yaml").write_text(STUDY)
    here = CommandLine(hpotool.url, tmp_path)
    here.run("create-study", "told.yaml")
    here.run("worker", "--study", "told", "--gpu", "none")
    here.run("create-study", "told.yaml", "--set", "study=empty")
    assert "wrote told-report.html" in here.run("report", "told").stderr
    page = tmp_path / "told-report.html"
    written = page.read_text()
    assert not re.search(r"<[^>]*(src|href)=|https?:|url\(|@import|<script", written)
    without_policy = re.sub(r"<meta http-equiv[^>]*>", "", written)  # which would not let the probe run
    page.write_text(without_policy.replace("</body>", PROBE))
    text = rendered_text(page.as_uri())
    status = here.json("status", "--study", "told")
    best = status["best"][0]
    assert f"The best: trial {best['number']}" in text
    assert f"{best['values']['loss']:.6g}" in text
    assert "finished 6 of 6" in text
    assert "failed for good 1" in text
    assert "ValueError: <script>document.title = 'owned'</script> | `x` failed" in text
    assert "hpotool enqueue --study told-again" in text
    assert "outside:0 fits:true title:told bold:0" in text
    for part in ("History", "Importance for loss", "loss by parameter", "On the way", "Who worked when"):
        assert part in text

    failures = here.json("importance", "--study", "told", "--target", "failures")
    assert failures["metric"] == "failures"
    assert failures["trials"] == 7
    assert set(failures["untold"]) == {"x", "kind"}
    assert "only 1 of 7 trials" in here.run("importance", "--study", "told", "--target", "failures").stdout

    markdown = here.run("report", "told", "empty", "--format", "markdown").stdout
    assert "## The studies beside each other" in markdown
    assert "empty against told: cannot tell" in markdown.replace("\\", "")
    assert "<svg" not in markdown
    assert "\\<script\\>document.title" in markdown
    refused = here.run("report", "told", "-o", "report.pdf", code=2).stderr
    assert "a report is html or md, and report.pdf ends in .pdf" in refused
    missing = here.run("report", "told", "-o", "no/such/folder/r.html", code=2).stderr
    assert "cannot be written" in missing
