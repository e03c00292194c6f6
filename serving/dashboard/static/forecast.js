// The sliders of the forecast page: what they assume is asked of POST /v1/forecast/scenario, the
// answer fills the cells that name their place in it (data-path), and the address keeps it all.
// Without this script the same form is sent by GET and the server writes the same cells.
(() => {
  "use strict";

  const form = document.getElementById("assume");
  if (!form) return;
  const answer = form.parentElement.querySelector(".answer");
  const trouble = document.getElementById("trouble");
  const state = document.getElementById("state");
  const acted = document.getElementById("acted");
  const goal = document.getElementById("goal");
  const fan = document.querySelector("figure.fan");
  const WAIT = 90;
  const NBSP = "\u00a0";

  // Numbers as serving/dashboard/forecast_words.py writes them.
  const grouped = (number, decimals) =>
    number.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  const money = (value, signed) => {
    const size = Math.abs(value);
    const text = grouped(size, size < 10 && size !== Math.trunc(size) ? 2 : 0);
    return (value < 0 ? "\u2212" : signed && value > 0 ? "+" : "") + text;
  };
  const moved = (value, decimals) => {
    if (value === 0) return "0";
    const text = grouped(Math.abs(value), decimals);
    return (Number(text.replaceAll(",", "")) === 0 ? "" : value > 0 ? "+" : "\u2212") + text;
  };
  const SPELLED = {
    ratio: (v) => `${(100 * v).toFixed(1)}${NBSP}%`,
    points: (v) => moved(100 * v, 2),
    counts: (v) => moved(v, 1),
    count: (v) => grouped(v, 1),
    times: (v) => `\u00d7${NBSP}${v.toFixed(2)}`,
    more: (v) => (v === 0 ? "0" : money(v, true)),
    money: (v) => money(v, false),
  };
  const said = (value, kind) => {
    if (kind === "words") return value || "";
    return value === null || value === undefined ? "\u2013" : SPELLED[kind](value);
  };

  const found = (told, path) =>
    path.split(".").reduce((at, step) => (at === null || at === undefined ? null : at[step]), told);

  function fields() {
    const data = new FormData(form);
    const number = (name) => Number(data.get(name) || 0);
    return {
      segment: data.get("segment") || "",
      churn: number("churn"), expansion: number("expansion"), contraction: number("contraction"),
      rise: number("rise"), rise_churn: number("rise_churn"), macro: number("macro"),
      saved: (data.get("saved") || "").trim(), undo: data.get("undo") || "", reach: data.get("reach") || "",
    };
  }

  // What serving/dashboard/forecast_asked.py makes of the same fields.
  function asked(now) {
    const one = {};
    for (const name of ["churn", "contraction", "expansion"]) {
      if (now[name]) one[name] = { multiply: (100 + now[name]) / 100 };
    }
    if (now.rise) {
      one.price_at_renewal = { rise: now.rise / 100, churn_multiply: (100 + now.rise_churn) / 100 };
    }
    const changes = [];
    if (Object.keys(one).length) {
      changes.push({ ...(now.segment ? { where: { segment: now.segment } } : { all: true }), ...one });
    }
    const accounts = [...new Set(now.saved.split(",").map((name) => name.trim()).filter(Boolean))];
    if (accounts.length) changes.push({ accounts, saved: true, undo_notice: now.undo === "1" });
    const body = { horizon: Number(form.dataset.horizon), changes };
    if (now.macro) body.macro = { shift: now.macro };
    if (now.reach) body.reach = Number(now.reach) / 100;
    return body;
  }

  function address(now) {
    const query = new URLSearchParams();
    if (form.dataset.horizon !== "12") query.set("horizon", form.dataset.horizon);
    if (form.dataset.by) query.set("by", form.dataset.by);
    for (const [name, value] of Object.entries(now)) if (value) query.set(name, value);
    const text = query.toString();
    return text ? `?${text}` : "";
  }

  function keep(query) {
    history.replaceState(null, "", `/forecast${query}`);
    const sheet = document.getElementById("export");
    if (sheet) sheet.href = `/forecast.csv${query}`;
  }

  function fill(told) {
    document.querySelectorAll("[data-path]").forEach((cell) => {
      if (!told.reach && cell.dataset.path.startsWith("reach.")) return;
      const value = found(told, cell.dataset.path);
      const kind = cell.dataset.kind;
      if (!("span" in cell.dataset)) cell.textContent = said(value, kind);
      else cell.textContent = value && "p10" in value ? `${said(value.p10, kind)} to ${said(value.p90, kind)}` : "";
    });
    goal.hidden = !told.reach;
    acted.replaceChildren(...told.changes.map((one) => {
      const line = document.createElement("li");
      const capped = one.capped ? `; of ${grouped(one.capped, 0)} more was asked than certainty` : "";
      line.textContent = `${grouped(one.accounts, 0)} accounts with ${money(one.opening_mrr)} ${form.dataset.currency} of MRR `
        + `are meant; ${grouped(one.reached, 0)} can be reached by then${capped}.`;
      return line;
    }));
  }

  // The fan again, on a scale that holds both paths; see serving/dashboard/forecast_drawn.py.
  function ticks(low, high) {
    if (high - low < 1e-9) { low -= 0.4; high += 0.4; }
    const rough = (high - low) / 5;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= rough * 0.99);
    const first = Math.floor(low / step + 1e-9), last = Math.ceil(high / step - 1e-9);
    return Array.from({ length: last - first + 1 }, (_, at) => Number((step * (first + at)).toFixed(10)));
  }

  function draw(other) {
    if (!fan) return;
    const path = (months, edge) =>
      [[0, 100], ...months.filter((one) => one.nrr).map((one) => [one.month, 100 * one.nrr[edge]])];
    const mine = JSON.parse(fan.dataset.pathJson);
    const both = [mine, ...(other ? [other] : [])];
    const values = both.flatMap((one) => ["p10", "p50", "p90"].flatMap((edge) => path(one, edge).map((p) => p[1])));
    const target = fan.dataset.target ? 100 * Number(fan.dataset.target) : null;
    const steps = ticks(Math.min(...values), Math.max(...values, target ?? -Infinity));
    const low = steps[0], high = steps[steps.length - 1];
    const place = (value) => ((high - value) / (high - low)) * 100;
    const points = (edge) => edge.map(([x, y]) => `${((x / 12) * 100).toFixed(2)},${place(y).toFixed(2)}`).join(" ");
    const make = (name, set) => {
      const made = document.createElementNS("http://www.w3.org/2000/svg", name);
      Object.entries(set).forEach(([key, value]) => made.setAttribute(key, value));
      return made;
    };
    const put = (name, months) => {
      fan.querySelector(`.${name}band`).setAttribute("points",
        months ? points([...path(months, "p90"), ...path(months, "p10").reverse()]) : "");
      fan.querySelector(`.${name}middle`).setAttribute("points", months ? points(path(months, "p50")) : "");
    };
    put("", mine);
    put("other-", other);
    fan.querySelector(".scale").replaceChildren(...steps.map((step) => {
      const text = make("text", { x: "100%", y: `${place(step)}%`, dy: "0.35em" });
      text.textContent = String(step);
      return text;
    }));
    fan.querySelector(".grid").replaceChildren(
      ...steps.map((step) => make("line", { x1: 0, x2: 100, y1: place(step), y2: place(step) })));
    const level = (name, value) => {
      const line = fan.querySelector(name);
      if (!line) return;
      const at = value === null || value < low || value > high ? -9 : place(value);
      line.setAttribute("y1", at);
      line.setAttribute("y2", at);
    };
    level(".field > .par", 100);
    level(".field > .target", target);
    fan.querySelector(".assumed").hidden = !other;
  }

  function refused(words) {
    trouble.textContent = words;
    trouble.hidden = !words;
  }

  function words(problem, reply) {
    const errors = (problem.errors || []).map((one) => one.message).filter(Boolean);
    const id = reply.headers.get("x-request-id") || (problem.instance || "").split(":").pop();
    return `${problem.title || "Refused"}: ${errors.length ? errors.join("; ") : problem.detail || reply.status}. `
      + `Request ${id}.`;
  }

  let running = null;
  let waiting = 0;

  async function ask() {
    const now = fields();
    const body = asked(now);
    keep(address(now));
    if (running) running.abort();
    const mine = new AbortController();
    running = mine;
    answer.classList.add("asking");
    answer.setAttribute("aria-busy", "true");
    const begun = performance.now();
    try {
      const reply = await fetch("/v1/forecast/scenario", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
        credentials: "same-origin",
        signal: mine.signal,
      });
      const told = await reply.json();
      if (mine !== running) return;
      if (!reply.ok) {
        refused(words(told, reply));
        state.textContent = "The figures below are of what was assumed before.";
      } else {
        refused("");
        fill(told);
        const other = body.changes.length || body.macro;
        draw(other ? told.scenario.monthly_path : null);
        const spent = Math.round(performance.now() - begun);
        state.textContent = other || body.reach
          ? `Under what the form says, computed in ${spent} ms.`
          : "Nothing is assumed: both are the published forecast.";
      }
    } catch (gone) {
      if (gone.name === "AbortError" || mine !== running) return;
      refused("The server did not answer; the figures below are of what was assumed before. Move a slider to ask again.");
    }
    answer.classList.remove("asking");
    answer.removeAttribute("aria-busy");
  }

  function shown() {
    form.querySelectorAll("input[type=range]").forEach((slider) => {
      const value = Number(slider.value);
      const output = slider.parentElement.querySelector("output");
      output.textContent = `${value > 0 ? "+" : value < 0 ? "\u2212" : ""}${Math.abs(value)}${NBSP}${output.dataset.unit}`;
    });
  }

  function soon() {
    shown();
    clearTimeout(waiting);
    waiting = setTimeout(ask, WAIT);
  }

  form.addEventListener("input", soon);
  form.addEventListener("change", soon);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(waiting);
    if (form.reportValidity()) ask();
  });
  document.getElementById("reset").addEventListener("click", (event) => {
    event.preventDefault();
    form.querySelectorAll("input[type=range]").forEach((slider) => { slider.value = 0; });
    form.elements.segment.value = "";
    form.elements.saved.value = "";
    form.elements.reach.value = "";
    form.elements.undo.checked = false;
    shown();
    clearTimeout(waiting);
    ask();
  });
  form.dataset.ready = "true";
})();
