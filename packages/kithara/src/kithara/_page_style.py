"""How the page of a report looks, and how it answers the keyboard."""

STYLE = """
:root{color-scheme:light dark;--paper:#fff;--ink:#1c2430;--dim:#5c6675;--line:#e3e7ec;
--card:#f5f7f9;--network:#2f6fdb;--cache:#1f9d6b;--retried:#d98a00;--over:#c9372c;--lost:#8b3fc4;
--rate:#a9c7f5;--chosen:#1c2430;--estimate:#d0559a;--buffer:#bfe3d2;--wave:#5b7fb5;--seek:#8b3fc4}
@media (prefers-color-scheme:dark){:root{--paper:#12161c;--ink:#e6eaf0;--dim:#9aa5b4;--line:#2a313b;
--card:#1b2129;--network:#5b96f5;--cache:#3cc48d;--retried:#f0ad37;--over:#f0695e;--lost:#b985e6;
--rate:#2c4a7c;--chosen:#e6eaf0;--estimate:#f08cc0;--buffer:#1f5a44;--wave:#7d9fd1;--seek:#c79bf0}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:1100px;margin:0 auto;padding:1.5rem 1rem 3rem}
h1{font-size:1.6rem;margin:0;overflow-wrap:anywhere}h2{font-size:1.1rem;margin:2rem 0 .5rem}
header p{margin:.2rem 0 1.2rem;overflow-wrap:anywhere}.dim{color:var(--dim);font-size:.9rem}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr));gap:.6rem;margin:0}
dl div{background:var(--card);border-radius:.5rem;padding:.5rem .75rem;border-left:3px solid #0000}
dl .bad{border-left-color:var(--over)}dt{color:var(--dim);font-size:.8rem}
dd{margin:0;font-weight:600;font-variant-numeric:tabular-nums}
.figure{overflow-x:auto;border-radius:.5rem}.figure:focus-visible{outline:2px solid var(--network)}
svg{display:block;width:100%;min-width:640px;height:auto}
text{fill:var(--dim);font:12px system-ui,sans-serif}text.head{fill:var(--ink)}
.end{text-anchor:end}.middle{text-anchor:middle}
.grid{stroke:var(--line)}path.rate{fill:var(--rate)}.buffer{fill:var(--buffer)}
path.chosen,path.estimate{fill:none;stroke:var(--chosen);stroke-width:2}
path.estimate{stroke:var(--estimate);stroke-dasharray:5 3}
.wave{fill:var(--wave)}path.request{stroke:var(--network)}
line.seek{stroke:var(--seek);stroke-width:2;stroke-dasharray:2 3}
line.seam{stroke:var(--ink);stroke-width:1.5;stroke-dasharray:6 4}
line.trouble{stroke:var(--over);stroke-width:2;opacity:.7}
.bar{fill:var(--network);stroke:var(--paper);rx:2px}.bar:focus{outline:none;stroke:var(--ink);stroke-width:2}
.bar.cache{fill:var(--cache)}.bar.retried{fill:var(--retried)}.bar.failed-over{fill:var(--over)}
.bar.lost{fill:var(--lost)}
.bar.dropped{fill:var(--line);stroke:var(--dim)}
.bar.unfinished{fill:none;stroke:var(--network);stroke-dasharray:3 2}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1rem;margin:0 0 .5rem;padding:0;
font-size:.85rem;color:var(--dim)}
.legend i{display:inline-block;width:1.1rem;height:.7rem;margin-right:.4rem;border-radius:2px;
background:var(--network)}
.legend .rate{background:var(--rate)}.legend .cache{background:var(--cache)}
.legend .retried{background:var(--retried)}.legend .failed-over{background:var(--over)}
.legend .lost{background:var(--lost)}
.legend .dropped{background:var(--line);border:1px solid var(--dim)}
.legend .chosen,.legend .estimate,.legend .seek,.legend .seam,.legend .trouble{height:0;
border-radius:0;vertical-align:middle;background:none;border-top:3px solid var(--chosen)}
.legend .estimate{border-top:3px dashed var(--estimate)}
.legend .seek{border-top:3px dotted var(--seek)}.legend .seam{border-top:2px dashed var(--ink)}
.legend .trouble{border-top-color:var(--over)}
.legend .unfinished{background:none;border:1px dashed var(--network)}
table{border-collapse:collapse;font-size:.9rem}td{padding:.15rem .8rem .15rem 0;vertical-align:top}
td:first-child{white-space:nowrap;text-align:right;color:var(--dim);
font-variant-numeric:tabular-nums}
td+td{overflow-wrap:anywhere}tr.bad td+td{color:var(--over)}
@media print{.figure{overflow:visible}}
"""

SCRIPT = """
(() => {
  const bars = [...document.querySelectorAll('.bar')], told = document.getElementById('told');
  const show = bar => { told.textContent = bar.querySelector('title').textContent; };
  const move = to => {
    if (!bars[to]) return;
    bars.forEach((bar, at) => { bar.tabIndex = at === to ? 0 : -1; });
    bars[to].focus();
    show(bars[to]);
  };
  bars.forEach((bar, at) => {
    bar.addEventListener('focus', () => show(bar));
    bar.addEventListener('pointerenter', () => show(bar));
    bar.addEventListener('click', () => move(at));
    bar.addEventListener('keydown', event => {
      const to = {ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: bars.length - 1}[event.key];
      if (to !== undefined) { event.preventDefault(); move(to); }
    });
  });
})();
"""
