"""The page's style sheet: one column, a light and a dark scheme, tables that scroll in their own box."""

CSS = """
:root {
  color-scheme: light dark;
  --page: #fcfcfa; --ink: #1d1d1b; --soft: #65645f; --line: #dddbd4; --box: #f3f2ee;
  --mark: #2468c4; --curve-0: #2468c4; --curve-1: #c8501c; --curve-2: #0f7a5c; --curve-3: #8340b4; --curve-4: #8a6a00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #171716; --ink: #ecebe6; --soft: #a5a49d; --line: #3a3936; --box: #222120;
    --mark: #74abf2; --curve-0: #74abf2; --curve-1: #f19067; --curve-2: #4cc4a0; --curve-3: #c093e8; --curve-4: #dcb84a;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 76rem; background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif;
  overflow-wrap: break-word;
}
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .5rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .25rem; }
p, ul { max-width: 46rem; }
p { margin: .5rem 0; }
.soft, figcaption { color: var(--soft); font-size: .875rem; }
code { font: .875em ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
pre { background: var(--box); padding: .6rem .8rem; border-radius: 4px; overflow-x: auto; }
pre code { overflow-wrap: normal; }
.note { border-left: 3px solid var(--curve-1); padding: .1rem 0 .1rem .8rem; max-width: 46rem; }
.scroll { overflow-x: auto; width: fit-content; max-width: 100%; border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .55rem; text-align: right; white-space: nowrap; border-top: 1px solid var(--line); }
thead th { border-top: 0; color: var(--soft); font-weight: 500; vertical-align: bottom; }
th:first-child { text-align: left; position: sticky; left: 0; background: var(--page); font-weight: 500; z-index: 1; }
thead th.wrap { white-space: normal; min-width: 6.5rem; max-width: 9rem; }
tbody.references { color: var(--soft); font-style: italic; }
.pictures td, .pictures th { padding: .25rem; text-align: left; border: 0; vertical-align: top; }
.pictures thead th { white-space: normal; width: 1px; vertical-align: bottom; font-size: .8125rem; line-height: 1.3; }
.pictures th:first-child { max-width: 8rem; min-width: 5rem; white-space: normal; font-size: .8125rem; }
.pictures tr.first > * { padding-top: 1rem; }
.pictures img { display: block; image-rendering: pixelated; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); gap: 1.25rem 1.5rem; }
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr)); gap: .5rem 1rem; }
figure { margin: 0; min-width: 0; }
figure > b { font-weight: 600; font-size: .9375rem; }
svg { display: block; width: 100%; max-width: 27rem; height: auto; }
.panels svg { max-width: 18rem; }
svg text { font: 11px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: var(--soft); }
svg .name, svg .value { fill: var(--ink); paint-order: stroke; stroke: var(--page); stroke-width: 4px; }
svg .value { font-weight: 600; font-variant-numeric: tabular-nums; }
.grid { stroke: var(--line); stroke-width: 1; }
.reference { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 3 3; }
.seed { fill: var(--mark); fill-opacity: .55; }
.mean { stroke: var(--ink); stroke-width: 2.5; }
.line { fill: none; stroke: var(--mark); stroke-width: 1.5; stroke-linejoin: round; }
.base { fill: none; stroke: var(--soft); stroke-width: 1; stroke-opacity: .7; stroke-linejoin: round; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin: .5rem 0; padding: 0; max-width: none; }
.legend li { list-style: none; display: flex; align-items: center; gap: .4rem; font-size: .875rem; }
.legend svg { width: 28px; height: 12px; flex: none; }
.swatch { width: .9rem; height: .9rem; border: 1px solid var(--line); flex: none; }
@media (max-width: 40rem) {
  th, td { padding: .3rem .4rem; }
  th:first-child { min-width: 7rem; max-width: 8.5rem; white-space: normal; }
  .pictures th:first-child { min-width: 5.5rem; max-width: 6rem; font-size: .75rem; }
}
"""
CURVES = 5  # colours for curves, each with a marker of its own; further ones begin again
