"""The style that all of Apertune's pages share: reports, plots, comparisons, descriptions and audits of data sets."""

from __future__ import annotations

# Text, muted text, lines and the colours of what is drawn; plots take the same ones.
INK, SOFT, LINE, ACCENT, GOOD, BAD = "#1d2733", "#5c6b7a", "#dde3ea", "#2166ac", "#1a7f4b", "#b2332a"
# Colours of training, validation and test, and of the curves of several trials.
SERIES = ("#2166ac", "#e08214", "#4d9a56", "#8c510a", "#7b5ea7")

STYLE = f"""
:root {{ --ink: {INK}; --soft: {SOFT}; --line: {LINE}; --accent: {ACCENT}; --good: {GOOD}; --bad: {BAD};
  --ground: #f6f8fa; }}
* {{ box-sizing: border-box; }}
body {{ margin: 0; color: var(--ink); background: var(--ground);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }}
main {{ max-width: 1180px; margin: 0 auto; padding: 24px; }}
h1 {{ font-size: 26px; line-height: 1.25; margin: 8px 0 4px; overflow-wrap: anywhere; }}
h2 {{ font-size: 18px; margin: 0 0 10px; }}
h3 {{ font-size: 15px; margin: 18px 0 6px; }}
p {{ margin: 6px 0; }}
ul {{ margin: 6px 0; padding-left: 20px; }}
li {{ margin: 3px 0; }}
a {{ color: var(--accent); }}
nav a {{ margin-right: 14px; text-decoration: none; white-space: nowrap; }}
nav.cards {{ grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); }}
nav.cards a {{ margin: 0; white-space: normal; }}
section, details {{ background: white; border: 1px solid var(--line); border-radius: 8px; margin: 14px 0; }}
section {{ padding: 16px 20px; overflow-x: auto; }}
details {{ margin: 6px 0; }}
details > summary {{ padding: 9px 20px; font-weight: 600; cursor: pointer; }}
details > summary .soft {{ font-weight: 400; margin-left: 6px; }}
details > .inside {{ padding: 0 20px 16px; overflow-x: auto; }}
.soft {{ color: var(--soft); }}
.small {{ font-size: 13px; }}
.good {{ color: var(--good); }}
.bad {{ color: var(--bad); }}
.verdict {{ font-size: 19px; line-height: 1.45; border-left: 5px solid var(--accent); }}
.verdict.warned {{ border-left-color: var(--bad); }}
.verdict p.small {{ font-size: 14px; }}
.scroll {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: 14px; }}
th, td {{ text-align: left; padding: 5px 16px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; }}
th {{ color: var(--soft); font-weight: 600; }}
tr:last-child > td {{ border-bottom: 0; }}
td.number, th.number {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }}
tr.best td {{ font-weight: 600; background: #eef5fc; }}
.wide {{ width: 100%; }}
.cards {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 14px 0; }}
.card {{ background: white; border: 1px solid var(--line); border-radius: 8px; padding: 10px 14px; }}
.card span {{ display: block; font-size: 13px; line-height: 1.35; }}
.card b, .card strong {{ display: block; font-size: 21px; line-height: 1.4; }}
.columns {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 0 24px;
  align-items: start; }}
.columns > * {{ min-width: 0; }}
.whole-row {{ grid-column: 1 / -1; }}
.whole-row img {{ min-width: 720px; }}
.plot {{ min-width: min(100%, 320px); }}
img {{ max-width: 100%; height: auto; display: block; margin: 6px 0; }}
code {{ background: var(--ground); padding: 1px 5px; border-radius: 4px; font-size: 13px; overflow-wrap: anywhere; }}
.interval {{ display: inline-block; width: 100%; min-width: 90px; height: 14px; vertical-align: middle; }}
.swatch {{ display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 5px; }}
.bar {{ display: flex; height: 14px; min-width: 80px; margin-top: 4px; }}
.bar i {{ display: block; height: 100%; }}
@media (max-width: 600px) {{
  main {{ padding: 12px; }}
  .verdict p.small {{ font-size: 13px; }}
  h1 {{ font-size: 21px; }}
  section {{ padding: 12px 14px; }}
  details > summary {{ padding: 10px 14px; }}
  details > .inside {{ padding: 0 14px 12px; }}
  .verdict {{ font-size: 17px; }}
  .cards {{ grid-template-columns: 1fr 1fr; gap: 8px; }}
  th, td {{ padding-right: 10px; }}
  .spare {{ display: none; }}
}}
@media print {{ body {{ background: white; }} section, details {{ break-inside: avoid; }} }}
""".strip()
