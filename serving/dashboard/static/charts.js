// Charts: every <figure class="chart" data-option="…"> is drawn by ECharts in the page's colours.
//
// An option is ECharts' own, as JSON. Two things are spelled as text, since JSON has no words for
// them: "var(--accent)" is a colour of perennial.css in the scheme at hand, and "@percent" (or
// another name below) is a way to write a number. A page that changes a chart gives the figure
// another option: perennialCharts.draw(figure, option).
(() => {
  "use strict";

  const plain = (decimals) =>
    new Intl.NumberFormat("en-GB", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  const signed = (text) => String(text).replace("-", "\u2212");
  const first = (value) => (Array.isArray(value) ? value[value.length - 1] : value);
  const told = (write) => (value) => {
    const number = first(value && typeof value === "object" && "value" in value ? value.value : value);
    return number === null || number === undefined || number === "-" || Number.isNaN(Number(number))
      ? "\u2013" : signed(write(Number(number)));
  };
  const compact = new Intl.NumberFormat("en-GB", { notation: "compact", maximumFractionDigits: 1 });
  const SPELLED = {
    "@money": told((n) => plain(0).format(n)),
    "@compact": told((n) => compact.format(n).replace("m", "M")),
    "@count": told((n) => plain(0).format(n)),
    "@number": told((n) => plain(1).format(n)),
    "@percent": told((n) => `${plain(1).format(n * 100)}\u00a0%`),
    "@percent0": told((n) => `${plain(0).format(n * 100)}\u00a0%`),
    "@change": told((n) => (n > 0 ? "+" : "") + plain(0).format(n)),
  };

  const style = () => getComputedStyle(document.documentElement);
  const token = (name) => style().getPropertyValue(name).trim();

  function filled(value) {
    if (Array.isArray(value)) return value.map(filled);
    if (value !== null && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, filled(one)]));
    }
    if (typeof value !== "string") return value;
    const colour = /^var\((--[\w-]+)\)$/.exec(value);
    return colour ? token(colour[1]) : SPELLED[value] || value;
  }

  function theme() {
    const ink = token("--ink"), soft = token("--soft"), line = token("--line");
    const axis = {
      axisLine: { show: false, lineStyle: { color: line } },
      axisTick: { show: false },
      axisLabel: { color: soft, fontSize: 12 },
      nameTextStyle: { color: soft, fontSize: 12 },
      splitLine: { show: true, lineStyle: { color: line } },
    };
    const across = { ...axis, axisLine: { show: true, lineStyle: { color: soft } }, splitLine: { show: false } };
    return {
      color: ["--accent", "--series-2", "--series-3", "--series-4", "--series-5"].map(token),
      backgroundColor: "transparent",
      textStyle: { fontFamily: token("--sans"), color: ink },
      categoryAxis: across, timeAxis: across, valueAxis: axis, logAxis: axis,
      line: { symbol: "circle", symbolSize: 5, lineStyle: { width: 2 } },
      legend: { textStyle: { color: ink, fontSize: 12 }, itemWidth: 14, itemHeight: 8, icon: "roundRect" },
      tooltip: {
        renderMode: "richText", confine: true, backgroundColor: token("--sheet"), borderColor: line,
        borderWidth: 1, padding: 8, textStyle: { color: ink, fontSize: 13, fontFamily: token("--sans") },
        axisPointer: { lineStyle: { color: soft }, crossStyle: { color: soft } },
      },
    };
  }

  const drawn = new Map();

  function ground(figure) {
    const found = figure.querySelector(":scope > .plot-area");
    if (found) return found;
    const made = document.createElement("div");
    made.className = "plot-area";
    made.setAttribute("aria-hidden", "true");
    figure.prepend(made);
    figure.classList.add("drawn");
    return made;
  }

  function draw(figure, option) {
    const wanted = option || JSON.parse(figure.dataset.option);
    const before = drawn.get(figure);
    if (before) before.chart.dispose();
    const chart = echarts.init(ground(figure), theme(), { renderer: "canvas" });
    chart.setOption({ animation: false, aria: { enabled: false }, ...filled(wanted) });
    drawn.set(figure, { chart, option: wanted });
    return chart;
  }

  const again = () => drawn.forEach(({ option }, figure) => draw(figure, option));
  const fitted = () => drawn.forEach(({ chart }) => chart.resize());

  window.perennialCharts = { draw, token };
  document.querySelectorAll("figure.chart[data-option]").forEach((figure) => draw(figure));
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  window.addEventListener("resize", fitted);
  window.addEventListener("beforeprint", () => { again(); fitted(); });
  window.addEventListener("afterprint", () => { again(); fitted(); });
})();
