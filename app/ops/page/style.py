"""How the page looks: light and dark, and on a phone."""

STYLE = """
:root { --ink: #1d2733; --quiet: #52606d; --line: #cbd2d9; --panel: #f3f5f7; --link: #0b4f86;
  --good: #1a6334; --bad: #a3201a; --odd: #7a4a00; --paper: #ffffff; --bar: #0b6bb5;
  --later: #7a8794; }
body.body--dark { --ink: #e4e7eb; --quiet: #a5b1bd; --line: #3e4c59; --panel: #1c242c;
  --link: #8cc4f4; --good: #7bd79a; --bad: #ff9c94; --odd: #f0c36d; --paper: #12181e;
  --bar: #4a9fe0; --later: #7a8794; }
body { color: var(--ink); background: var(--paper); font-family: system-ui, sans-serif; }
.nicegui-content { padding: 0 !important; display: block !important; }
.skip { position: absolute; left: -999px; }
.skip:focus { left: 8px; top: 8px; z-index: 9; background: var(--paper); }
.head { display: flex; flex-wrap: wrap; gap: 4px 20px; align-items: baseline; padding: 10px 16px;
  background: var(--panel) !important; color: var(--ink) !important;
  border-bottom: 1px solid var(--line); }
.brand { font-weight: 700; }
.head nav { display: flex; flex-wrap: wrap; gap: 4px 14px; }
a, .nicegui-link { color: var(--link); text-decoration: underline; }
.head a[aria-current] { font-weight: 700; text-decoration: none; color: var(--ink); }
.well { margin-left: auto; }
.fine { color: var(--good); } .ill { color: var(--bad); font-weight: 600; }
.odd { color: var(--odd); font-weight: 600; }
#content { padding: 8px 16px 40px; max-width: 1500px; margin: 0 auto; outline: none; }
h1 { font-size: 1.5rem; line-height: 1.3; margin: 8px 0; font-weight: 600; }
h2 { font-size: 1.15rem; line-height: 1.3; margin: 22px 0 6px; font-weight: 600; }
.quiet { color: var(--quiet); }
.scrolls { overflow-x: auto; }
table.grid { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
table.grid caption { text-align: left; color: var(--quiet); padding: 4px 0; white-space: nowrap; }
table.grid th { text-align: left; font-weight: 600; padding: 4px 10px 4px 0;
  border-bottom: 2px solid var(--line); white-space: nowrap; }
table.grid td { padding: 3px 10px 3px 0; border-bottom: 1px solid var(--line);
  vertical-align: middle; overflow-wrap: break-word; max-width: 44ch; }
.actions { white-space: nowrap; }
.actions .q-btn { margin-right: 4px; }
.q-btn { color: var(--link); border: 1px solid var(--link); border-radius: 4px; }
.q-btn.main { background: var(--link); color: var(--paper); }
.q-btn:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.q-notification.bg-positive { background: #0b6b2b !important; }
.q-notification.bg-negative { background: #a3201a !important; }
.q-notification .q-btn { color: #ffffff !important; border-color: #ffffff; }
table.grid .number { text-align: right; padding-right: 28px; white-space: nowrap; }
.short { width: 16rem; }
table.narrow { width: auto; }
.figures { display: flex; flex-wrap: wrap; gap: 6px 28px; margin: 6px 0; }
.figures dt { color: var(--quiet); font-size: .85rem; }
.figures dd { margin: 0; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
.chart { height: 300px; width: 100%; }
.pager { align-items: center; margin: 8px 0; }
.traceback { white-space: pre-wrap; overflow-wrap: anywhere; font-family: monospace;
  background: var(--panel); padding: 8px; font-size: .85rem; }
.drawing { overflow-x: auto; }
.drawing svg text { fill: var(--ink); font: 12px system-ui, sans-serif; }
.form { display: flex; flex-wrap: wrap; gap: 8px 14px; align-items: end; }
.form .q-field { min-width: 13rem; }
.q-field__label { color: var(--quiet); }
@media (pointer: coarse), (max-width: 600px) {
  .head nav a { padding: 12px 0; }
  .q-btn { min-height: 44px; }
}
@media (max-width: 600px) {
  .cards thead { display: none; }
  table.grid caption { white-space: normal; }
  .cards, .cards tbody, .cards caption { display: block; }
  .cards tr { display: block; padding: 8px 0; border-bottom: 2px solid var(--line); }
  table.cards td { display: flex; gap: 12px; border: 0; max-width: none; overflow-wrap: anywhere; }
  .cards td::before { content: attr(data-label); flex: 0 0 7rem; color: var(--quiet); }
  .cards td.actions { white-space: normal; }
  table.cards .number { text-align: left; }
}
"""
