"""The style sheet of the report: one column, light and dark by the reader's preference, nothing from the net."""

from __future__ import annotations

SHEET = """
:root { color-scheme: light dark; --paper: #fbfaf8; --ink: #1d1f22; --faint: #6b6f76; --line: #dcd9d3;
  --accent: #3a6ea5; --bad: #c0452f; --card: #ffffff; --note: #fff4d6; }
@media (prefers-color-scheme: dark) { :root { --paper: #17181a; --ink: #e9e7e3; --faint: #9a9ea6; --line: #34363a;
  --accent: #7fb0e6; --bad: #f08067; --card: #1f2023; --note: #3a3018; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 26px; margin: 0 0 2px; } h2 { font-size: 18px; margin: 36px 0 10px; }
p { margin: 6px 0; } .faint, .axis { color: var(--faint); } code { font-size: 13px; word-break: break-all; }
.banner, .notes { background: var(--note); border: 1px solid var(--line); border-radius: 6px; padding: 8px 14px;
  margin: 14px 0; } .banner { font-weight: 600; } .notes ul { margin: 4px 0; padding-left: 20px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: 8px 0; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 12px; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
thead th { color: var(--faint); font-weight: 500; }
table.facts td { text-align: left; white-space: normal; vertical-align: top; overflow-wrap: anywhere; }
table.facts td:first-child { white-space: nowrap; color: var(--faint); }
tr.first td { font-weight: 600; }
svg { max-width: 100%; height: auto; display: block; } svg text { font-size: 12px; fill: currentColor; }
svg .value, svg .axis { fill: var(--faint); } .grid { stroke: var(--line); }
.dot { fill: var(--accent); fill-opacity: 0.65; } .bad { fill: var(--bad); fill-opacity: 1; }
.mid { stroke: var(--ink); stroke-width: 2; }
.frames { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 500px), 1fr)); gap: 16px;
  align-items: start; }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 6px; overflow: hidden; }
figure.worst { border: 2px solid var(--bad); } figure img { display: block; width: 100%; background: #000; }
figcaption { padding: 6px 10px 8px; font-size: 13px; } figcaption b { font-size: 14px; }
.columns { display: flex; justify-content: space-around; color: var(--faint); font-size: 12px; padding-top: 4px; }
details { margin: 8px 0; } summary { cursor: pointer; color: var(--accent); }
"""
