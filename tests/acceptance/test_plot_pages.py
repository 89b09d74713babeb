"""``hpotool plot``: what a real browser shows of a page, and what lies in the files."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.command_line import CommandLine
from tests.browser import rendered_text

MEASURE = """<script>addEventListener("load", () => {
  const page = document.documentElement, drawn = document.querySelector(".main-svg");
  const fits = page.scrollHeight <= innerHeight && page.scrollWidth <= innerWidth;
  const fills = drawn.clientHeight === innerHeight && drawn.clientWidth === innerWidth;
  document.body.append(` fits:${fits} fills:${fills}`);
})</script></body>"""


def run_study(hpotool: CommandLine, name: str) -> None:
    created = hpotool.run(
        "create-study", "studies/quadratic.yaml", "--set", f"study={name}", "--set", "budget.trials=4"
    )
    assert created.stdout == f"{name}\n"
    hpotool.run("worker", "--gpu", "none", "--study", name)


def test_a_plot_is_a_page_of_the_window_or_an_image(hpotool: CommandLine, tmp_path: Path) -> None:
    here = CommandLine(hpotool.url, tmp_path)
    run_study(hpotool, "first")
    run_study(hpotool, "second")
    assert "wrote first-second-history.html" in here.run("plot", "history", "first", "second").stderr
    page = tmp_path / "first-second-history.html"
    page.write_text(page.read_text().replace("</body>", MEASURE))
    text = rendered_text(page.as_uri())
    assert "first, second: history of" in text
    assert "best of first" in text
    assert "best of second" in text
    assert "fits:true fills:true" in text
    here.run("plot", "slice", "first", "-o", "slice.png")
    assert (tmp_path / "slice.png").read_bytes().startswith(b"\x89PNG")
    refused = here.run("plot", "history", "first", "-o", "history.jpg", code=2)
    assert "a plot is html, svg, png or pdf, but history.jpg ends in .jpg" in refused.stderr
    assert not (tmp_path / "history.jpg").exists()
