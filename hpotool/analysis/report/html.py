"""Blocks as one HTML page: no script, nothing from elsewhere; for wide and narrow screens, night and paper."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from typing_extensions import assert_never

from hpotool.analysis.report.blocks import Block, Code, Facts, Figure, Grid, Heading, Paragraph
from hpotool.study.doors import visible_lines

_FOLDED_LINES = 14
_NUMBER = re.compile(r"[-+]?[\d.,]+(e[-+]?\d+)?( ?[%a-z]{1,3})?|inf|-inf|nan|")
STYLE = """
:root { color-scheme: light dark; --page: #fff; --text: #2b2f36; --soft: #69717d; --line: #e3e7ec; --card: #f6f8fa;
  --trial: #6f9bd1; --best: #1f3b63; --muted: #a3abb6; --warn: #b4482f; --good: #4d8f5b; }
@media (prefers-color-scheme: dark) { :root { --page: #14171c; --text: #dfe3e9; --soft: #98a1ad; --line: #2c323b;
  --card: #1c2128; --trial: #5b8fd0; --best: #e4ecf7; --muted: #69727f; --warn: #e58a72; --good: #6fb27f; } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 56rem; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; overflow-wrap: anywhere }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; line-height: 1.25 }
h2 { font-size: 1.35rem; margin: 3rem 0 .5rem; padding-top: 1rem; border-top: 2px solid var(--line) }
h3 { font-size: 1.05rem; margin: 2.2rem 0 .6rem }
p { margin: .5rem 0; max-width: 44rem }
.warning { color: var(--warn) }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; margin: 1rem 0 }
.facts div { background: var(--card); border-radius: .5rem; padding: .6rem .8rem }
.facts dt { color: var(--soft); font-size: .8rem } .facts dd { margin: 0; font-weight: 600 }
.facts { padding: 0 }
.scroll { overflow-x: auto }
table { border-collapse: collapse; font-size: .9rem; margin: .4rem 0; overflow-wrap: normal }
th { text-align: left; color: var(--soft); font-weight: 500 }
th, td { padding: .3rem 1.1rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
td { max-width: 28rem; overflow-wrap: break-word } td.n, th.n { text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums }
figure { margin: .8rem 0 } figcaption { color: var(--soft); font-size: .85rem }
svg { width: 100%; height: auto; display: block }
.slices { display: grid; grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr)); gap: .5rem 1rem }
pre { background: var(--card); border-radius: .5rem; padding: .8rem 1rem; overflow-x: auto; font-size: .82rem;
  line-height: 1.45; overflow-wrap: normal }
summary { cursor: pointer; color: var(--soft) }
footer { color: var(--soft); font-size: .85rem; margin-top: 3rem }
.tick { font-size: 11px; fill: var(--soft) } .label { font-size: 12px; fill: var(--text) }
.axis { stroke: var(--muted) } .grid { stroke: var(--line) }
.dot { fill: var(--trial); fill-opacity: .65 }
circle.pruned { fill: none; stroke: var(--muted) }
polyline { fill: none; stroke-linejoin: round } polyline.best { stroke: var(--best); stroke-width: 2.2 }
.curve { stroke: var(--trial); stroke-opacity: .55 } .curve.pruned { stroke: var(--muted) }
.bar { fill: var(--trial) } .bar.untold, .bar.random { fill: var(--muted); fill-opacity: .5 }
.interval { stroke: var(--best); stroke-width: 1.6 }
.attempt.complete { fill: var(--trial) } .attempt.pruned { fill: var(--muted) }
.attempt.failed { fill: var(--warn) } .attempt.running { fill: var(--good) }
.attempt { stroke: var(--page); stroke-width: .6 }
.dot.s0 { fill: #3a6ea8 } .dot.s1 { fill: #c8553d } .dot.s2 { fill: #4d8f5b } .dot.s3 { fill: #8a5aa8 }
.dot.s4 { fill: #b8862b } .dot.s5 { fill: #3d8f94 } .dot[class*=" s"] { fill-opacity: .35 }
.name { font-size: 12px; font-weight: 600 } text.s0 { fill: #4a86c8 } text.s1 { fill: #d4674f }
text.s2 { fill: #5aa369 } text.s3 { fill: #9d6dbb } text.s4 { fill: #c9973c } text.s5 { fill: #48a3a8 }
polyline.s0 { stroke: #4a86c8 } polyline.s1 { stroke: #d4674f } polyline.s2 { stroke: #5aa369 }
polyline.s3 { stroke: #9d6dbb } polyline.s4 { stroke: #c9973c } polyline.s5 { stroke: #48a3a8 }
@media (max-width: 34rem) { body { padding: 1.25rem .9rem 3rem }
  .tick { font-size: 17px } .label, .name { font-size: 18px }
  .slices .tick { font-size: 11px } .slices .label { font-size: 12px } }
@media print { :root { --page: #fff; --text: #000; --soft: #444; --line: #ccc; --card: #f4f4f4; --trial: #6f9bd1;
  --best: #1f3b63; --muted: #999; --warn: #a03a22 } body { max-width: none; padding: 0; font-size: 11pt }
  figure, .facts, tr { break-inside: avoid } h2, h3 { break-after: avoid }
  details::details-content { content-visibility: visible; display: block } pre { white-space: pre-wrap } }
"""
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title><style>{style}</style></head>
<body>
{body}
</body></html>
"""


def render_html(title: str, blocks: Sequence[Block]) -> str:
    """Return the whole page. Whatever an objective stored is text in it, never markup."""
    body: list[str] = []
    for place, block in enumerate(blocks):
        is_slice = isinstance(block, Figure) and _is_small(block)
        before = blocks[place - 1] if place else None
        follows_slice = isinstance(before, Figure) and _is_small(before)
        if is_slice and not follows_slice:
            body.append('<div class="slices">')
        if follows_slice and not is_slice:
            body.append("</div>")
        body.append(_render(block))
    if blocks and isinstance(blocks[-1], Figure) and _is_small(blocks[-1]):
        body.append("</div>")
    return _PAGE.format(title=_escape(title), style=STYLE, body="\n".join(body))


def _is_small(figure: Figure) -> bool:
    return figure.svg.startswith('<svg viewBox="0 0 360 ')


def _escape(text: str) -> str:
    return html.escape(visible_lines(text), quote=True)


def _render(block: Block) -> str:
    match block:
        case Heading():
            return f"<h{block.level}>{_escape(block.text)}</h{block.level}>"
        case Paragraph():
            return f"<p{' class=warning' if block.is_warning else ''}>{_escape(block.text)}</p>"
        case Facts():
            pairs = (
                f"<div><dt>{_escape(name)}</dt><dd>{_escape(value)}</dd></div>" for name, value in block.pairs
            )
            return f'<dl class="facts">{"".join(pairs)}</dl>'
        case Grid():
            return _render_grid(block)
        case Figure():
            return f"<figure>{block.svg}<figcaption>{_escape(block.caption)}</figcaption></figure>"
        case Code():
            return _render_code(block)
        case _:
            assert_never(block)


def _render_grid(grid: Grid) -> str:
    is_number = [
        any(row[place] for row in grid.rows) and all(_NUMBER.fullmatch(row[place]) for row in grid.rows)
        for place in range(len(grid.columns))
    ]
    style = [" class=n" if one else "" for one in is_number]
    head = "".join(f"<th{at}>{_escape(name)}</th>" for at, name in zip(style, grid.columns, strict=True))
    rows = "".join(
        "<tr>" + "".join(f"<td{at}>{_escape(cell)}</td>" for at, cell in zip(style, row, strict=True)) + "</tr>"
        for row in grid.rows
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<div class="scroll">{table}</div>'


def _render_code(code: Code) -> str:
    written = f"<pre>{_escape(code.text)}</pre>"
    if code.title and code.text.count("\n") >= _FOLDED_LINES:
        return f"<details><summary>{_escape(code.title)}</summary>{written}</details>"
    return written
