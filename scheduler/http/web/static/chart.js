/* Charts: price as steps, charging as filled steps, state of charge as a line; colours come from the style sheet. */
"use strict";
(() => {
  const PHONE_PX = 520;
  const charts = new Map();
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const number = (digits, unit) => (_, value) => (value == null ? "–" : `${value.toFixed(digits)} ${unit}`);

  const vertical = (u, at, name, dash) => {
    const x = Math.round(u.valToPos(at, "x", true));
    if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) return;
    u.ctx.save();
    u.ctx.strokeStyle = colour(name);
    u.ctx.lineWidth = 1.5 * devicePixelRatio;
    u.ctx.setLineDash(dash.map((part) => part * devicePixelRatio));
    u.ctx.beginPath();
    u.ctx.moveTo(x, u.bbox.top);
    u.ctx.lineTo(x, u.bbox.top + u.bbox.height);
    u.ctx.stroke();
    u.ctx.restore();
  };

  const series = (told, hasCharging) => {
    const price = `${told.currency}/kWh`;
    const found = [
      { label: "At", value: (_, at) => (at == null ? "–" : uPlot.fmtDate("{DD}.{MM}. {HH}:{mm}")(zoned(told)(at))) },
      { label: "Price", scale: "price", stroke: colour("price-line"), fill: colour("price-fill"), width: 1.5, points: { show: false }, value: number(3, price) },
      { label: "Expected price", scale: "price", stroke: colour("price-line"), dash: [4, 4], width: 1.5, points: { show: false }, value: number(3, price) },
    ];
    if (hasCharging) {
      found.push(
        { label: "Planned", scale: "kW", stroke: colour("charge"), fill: colour("charge-fill"), width: 1.5, points: { show: false }, value: number(1, "kW") },
        { label: "Charged", scale: "kW", stroke: colour("charged"), fill: colour("charged-fill"), width: 1.5, points: { show: false }, value: number(1, "kW") },
        { label: "SoC", scale: "%", stroke: colour("soc"), width: 2, spanGaps: true, points: { show: false }, value: number(0, "%") },
      );
    }
    return found;
  };

  /* A column in which nothing is known is not drawn, and not named in the legend. */
  const known = (told) => told.data.map((column, i) => i < 2 || column.some((value) => value != null));

  const zoned = (told) => (at) => uPlot.tzDate(new Date(at * 1000), told.timezone);

  const axes = (hasCharging) => {
    const look = { stroke: colour("quiet"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1 } };
    const day = "{DD}.{MM}.";
    const found = [
      { ...look, values: [
        [3600 * 24, day, null, null, null, null, null, null, 1],
        [3600, "{HH}", `\n${day}`, null, `\n${day}`, null, null, null, 1],
        [60, "{HH}:{mm}", `\n${day}`, null, `\n${day}`, null, null, null, 1],
      ] },
      { ...look, scale: "price", size: 46 },
    ];
    if (hasCharging) found.push({ ...look, scale: "%", side: 1, size: 38, grid: { show: false }, values: (_, all) => all.map((v) => `${v}`) });
    return found;
  };

  const options = (told, width) => {
    const hasCharging = told.data.length > 3;
    return {
      width,
      height: width < PHONE_PX ? 220 : 280,
      tzDate: zoned(told),
      series: series(told, hasCharging).filter((_, i) => known(told)[i]),
      axes: axes(hasCharging),
      scales: {
        price: { range: (_, low, high) => uPlot.rangeNum(Math.min(0, low ?? 0), Math.max(high ?? 1, 0.01), 0.1, true) },
        kW: { range: (_, low, high) => [0, Math.max(high ?? 1, 1) * 1.8] },
        "%": { range: [0, 100] },
      },
      legend: { live: true },
      cursor: { y: false, drag: { x: false, y: false } },
      hooks: { ready: [(u) => {
        const atNow = () => u.setLegend({ idx: told.data[0].findLastIndex((at) => at <= told.now) });
        u.over.addEventListener("mouseleave", () => setTimeout(atNow, 50));
        setTimeout(atNow, 0);
      }], draw: [(u) => {
        vertical(u, told.now, "ink", []);
        for (const due of told.due) vertical(u, due.at, "wish", [4, 4]);
      }] },
    };
  };

  const draw = (box, told) => {
    const width = Math.floor(box.clientWidth);
    if (!width) return;
    const old = charts.get(box);
    if (old) old.chart.destroy();
    box.classList.toggle("empty", told.data[0].length < 2);
    if (told.data[0].length < 2) { box.textContent = "No prices and no plan to draw yet."; charts.delete(box); return; }
    if (!old) box.textContent = "";
    const chart = new uPlot(options(told, width), told.data.filter((_, i) => known(told)[i]), box);
    charts.set(box, { chart, told, width, dark: matchMedia("(prefers-color-scheme: dark)").matches, text: JSON.stringify(told) });
  };

  const load = async (box) => {
    try {
      const answer = await fetch(box.dataset.chart, { headers: { Accept: "application/json" } });
      if (!answer.ok) return;
      const told = await answer.json();
      const old = charts.get(box);
      if (!old || old.text !== JSON.stringify(told)) draw(box, told);
    } catch { /* the page says by itself that it is not connected */ }
  };

  const boxes = [...document.querySelectorAll("[data-chart]")];
  const all = () => boxes.forEach(load);
  const again = () => charts.forEach(({ told }, box) => draw(box, told));
  all();
  document.body.addEventListener("kwhen:changed", all);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  let pending = 0;
  window.addEventListener("resize", () => {
    cancelAnimationFrame(pending);
    pending = requestAnimationFrame(() => charts.forEach(({ chart, width }, box) => {
      if (Math.floor(box.clientWidth) !== width) draw(box, charts.get(box).told);
    }));
  });
})();
