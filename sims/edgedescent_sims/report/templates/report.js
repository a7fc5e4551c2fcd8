"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const root = document.documentElement;
  const color = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  const SERIES_COLORS = 8;
  const FONT = "11px system-ui, sans-serif";

  // ---- numbers -----------------------------------------------------------------------------------------------------

  function figure(value) {
    if (value == null || !Number.isFinite(value)) return "\u2013";
    const size = Math.abs(value);
    if (size === 0) return "0";
    if (size >= 1e6 || size < 1e-3) return value.toExponential(2).replace("e+", "e");
    const digits = Number.isInteger(value) ? 0 : Math.max(0, 3 - Math.floor(Math.log10(size)));
    return grouped(value, digits);
  }

  function grouped(value, digits = 0) {
    return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  }

  function short(value) {
    if (value === 0) return "0";
    if (Math.abs(value) >= 1e6 || Math.abs(value) < 1e-4) return value.toExponential(1).replace("e+", "e").replace(".0e", "e");
    return value.toLocaleString("en", { maximumSignificantDigits: 4 });
  }

  // ---- data --------------------------------------------------------------------------------------------------------

  const parsed = new WeakMap();

  function dataOf(section) {
    if (!parsed.has(section)) parsed.set(section, JSON.parse(section.querySelector("script.data").textContent));
    return parsed.get(section);
  }

  const numbers = (x) => (Array.isArray(x) ? x : Array.from({ length: x.count }, (_, i) => x.from + i * x.step));

  function joined(columns) {
    const [first] = columns;
    if (columns.every(([x]) => x === first[0])) return [first[0], ...columns.map(([, y]) => y)];
    return uPlot.join(columns.map(([x, y]) => [x, y]));
  }

  // Values at every place, the missing ones on the line between their neighbours.
  function filled(xs, ys) {
    const out = ys.slice();
    let before = -1;
    for (let i = 0; i < ys.length; i++) {
      if (ys[i] == null) continue;
      if (before >= 0) {
        for (let j = before + 1; j < i; j++) {
          out[j] = ys[before] + ((ys[i] - ys[before]) * (xs[j] - xs[before])) / (xs[i] - xs[before]);
        }
      }
      before = i;
    }
    return out;
  }

  // ---- charts ------------------------------------------------------------------------------------------------------

  const charts = new Map();
  let printing = false;

  class Chart {
    constructor(holder) {
      this.holder = holder;
      this.data = dataOf(holder.closest("section"));
      this.shown = new Map();
      this.log = false;
      this.range = null;
      this.tip = holder.appendChild(document.createElement("div"));
      this.tip.className = "tip";
      this.tip.hidden = true;
    }

    build() {
      if (this.plot) this.plot.destroy();
      const { series, columns } = this.content();
      const data = joined(columns);
      series.forEach((line, i) => { line.show = this.shown.get(i) ?? true; });
      // A logarithm has no place for zero.
      const drawn = this.log ? data.map((ys, i) => (i ? ys.map((y) => (y > 0 ? y : null)) : ys)) : data;
      this.plot = new uPlot({
        ...this.size(),
        padding: [this.top(), 20, 0, 0],
        legend: { show: false },
        cursor: { y: false, drag: { x: true, y: false, dist: 4 }, points: { size: 7 } },
        scales: {
          x: { time: false, range: (_, low, high) => [low, high] },
          y: this.log ? { distr: 3 } : { range: (_, low, high) => this.limits(low, high) },
        },
        axes: this.axes(),
        series: [{}, ...series],
        hooks: {
          drawClear: [(u) => this.below(u)],
          draw: [(u) => this.above(u)],
          setCursor: [(u) => this.hover(u)],
          setScale: [(u, key) => key === "x" && this.zoomed(u)],
        },
      }, drawn, this.holder);
      if (this.range) this.plot.setScale("x", this.range);
    }

    size() {
      return { width: printing ? this.printWidth() : this.holder.clientWidth, height: this.height() };
    }

    limits(low, high) {
      if (low == null) return [null, null];
      const space = (high - low || Math.abs(high) || 1) * 0.06;
      // From zero, unless the curves would be crowded at the top.
      return [low >= 0 && low < 0.6 * high ? 0 : low - space, high + space];
    }

    axes() {
      const common = {
        stroke: color("muted"), font: FONT, ticks: { stroke: color("line"), size: 5 }, grid: { stroke: color("grid"), width: 1 },
      };
      return [
        { ...common, size: 30, values: (_, ticks) => ticks.map(short) },
        { ...common, size: this.axisWidth(), values: (_, ticks) => ticks.map((t) => (t == null ? "" : short(t))) },
      ];
    }

    zoomed(u) {
      const xs = u.data[0];
      const { min, max } = u.scales.x;
      const whole = min <= xs[0] && max >= xs[xs.length - 1];
      this.range = whole ? null : { min, max };
      this.holder.toggleAttribute("data-zoomed", !whole);
      this.onZoom?.(whole);
    }

    zoom(min, max) { this.plot.setScale("x", { min, max }); }

    reset() {
      const xs = this.plot.data[0];
      this.zoom(xs[0], xs[xs.length - 1]);
    }

    hover(u) {
      const { idx, left, top } = u.cursor;
      this.tip.hidden = idx == null || left < 0;
      if (this.tip.hidden) return;
      const rows = u.series.slice(1).map((line, i) => {
        let at = idx;
        while (at >= 0 && u.data[i + 1][at] === undefined) at--;
        return { line, value: u.data[i + 1][at] };
      }).filter(({ line, value }) => line.show && value != null).sort((a, b) => b.value - a.value);
      const title = document.createElement("b");
      title.textContent = `event ${grouped(u.data[0][idx])}`;
      this.tip.replaceChildren(title, ...rows.map(({ line, value }) => {
        const row = document.createElement("div");
        const dot = document.createElement("i");
        dot.style.background = line.stroke();
        const name = document.createElement("span");
        name.textContent = line.label;
        const number = document.createElement("em");
        number.textContent = figure(value);
        row.append(dot, name, number);
        return row;
      }));
      const width = this.tip.offsetWidth;
      const x = u.over.offsetLeft + left;
      const fits = x + 14 + width < this.holder.clientWidth;
      this.tip.style.left = `${Math.max(0, fits ? x + 14 : x - 14 - width)}px`;
      this.tip.style.top = `${Math.max(0, u.over.offsetTop + Math.min(top, u.over.clientHeight - this.tip.offsetHeight))}px`;
    }

    // Runs a drawing in CSS pixels, clipped to the plot unless it draws into the margin.
    draw(u, paint, clip = true) {
      const { ctx, bbox } = u;
      const scale = devicePixelRatio;
      ctx.save();
      if (clip) { ctx.beginPath(); ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height); ctx.clip(); }
      ctx.scale(scale, scale);
      const box = { left: bbox.left / scale, top: bbox.top / scale, width: bbox.width / scale, height: bbox.height / scale };
      paint(ctx, box, (v) => u.valToPos(v, "x", true) / scale, (v) => u.valToPos(v, "y", true) / scale);
      ctx.restore();
    }

    above() {}
  }

  class CurveChart extends Chart {
    constructor(holder) {
      super(holder);
      const frame = holder.closest(".figure");
      this.buttons = { log: frame.querySelector(".log"), reset: frame.querySelector(".reset") };
      all(".series", frame).forEach((button) => button.addEventListener("click", () => {
        const index = Number(button.dataset.candidate);
        const show = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", String(show));
        this.shown.set(index, show);
        this.plot.setSeries(index + 1, { show });
      }));
      all(".mark", frame).forEach((button) => button.addEventListener("click", () => {
        const mark = this.data.marks[Number(button.dataset.mark)];
        const room = Math.max(this.data.events * 0.04, (mark.end - mark.start) * 0.5);
        const xs = this.plot.data[0];
        this.zoom(Math.max(xs[0], mark.start - room), Math.min(xs[xs.length - 1], mark.end + 3 * room));
      }));
      this.buttons.reset.addEventListener("click", () => this.reset());
      this.buttons.log.addEventListener("click", () => this.setLog(!this.log));
      this.onZoom = (whole) => { this.buttons.reset.disabled = whole; };
      const values = this.data.curves.flatMap(({ y }) => y).filter((y) => y != null).sort((a, b) => a - b);
      if (values.length && values[0] > 0 && values[values.length - 1] > 30 * values[values.length >> 1]) this.setLog(true);
    }

    setLog(log) {
      this.log = log;
      this.buttons.log.setAttribute("aria-pressed", String(log));
      if (this.plot) this.build();
    }

    height() { return printing || innerWidth > 700 ? 300 : 240; }
    printWidth() { return 680; }
    axisWidth() { return 52; }
    top() { return this.data.marks.length ? 24 : 10; }

    content() {
      const xs = this.data.x.map(numbers);
      const columns = this.data.curves.map(({ x, y }) => [xs[x], y]);
      const series = this.data.names.map((label, i) => ({
        label, stroke: color(`c${i % SERIES_COLORS}`), width: this.data.peers[i] ? 1.25 : 1.75,
        dash: this.data.peers[i] ? [5, 3] : undefined, points: { show: false },
      }));
      return { series, columns };
    }

    below(u) {
      this.draw(u, (ctx, box, x) => {
        for (const { kind, start, end } of this.data.marks) {
          if (end <= start) continue;
          ctx.fillStyle = color(`${kind}-fill`);
          ctx.fillRect(x(start), box.top, x(end) - x(start), box.height);
        }
      });
    }

    labels(ctx, box, x) {
      const right = box.left + box.width;
      const visible = this.data.marks.map((mark, i) => ({ ...mark, name: markName(this.data.marks, i), at: x(mark.start) }))
        .filter(({ at }) => at >= box.left - 0.5 && at <= right + 0.5).sort((a, b) => a.at - b.at);
      ctx.font = FONT;
      ctx.textAlign = "left";
      ctx.textBaseline = "middle";
      let free = 0;
      visible.forEach(({ kind, name, label, at }, i) => {
        ctx.strokeStyle = ctx.fillStyle = color(kind);
        ctx.setLineDash(kind === "drift" ? [] : [2, 3]);
        ctx.beginPath();
        ctx.moveTo(at, box.top - 3);
        ctx.lineTo(at, box.top + box.height);
        ctx.stroke();
        const next = visible[i + 1]?.at ?? right + 12;
        const texts = [`${name} ${label}`, name];
        // From the line to the right, or against the right edge where it would not fit.
        const text = texts.find((t) => Math.min(at, right - ctx.measureText(t).width) >= free && at + ctx.measureText(t).width + 4 < next)
          ?? texts.find((t) => right - ctx.measureText(t).width >= free && i === visible.length - 1);
        if (text === undefined) return;
        const width = ctx.measureText(text).width;
        const left = Math.max(free, Math.min(at - 3, right - width + 10));
        ctx.fillText(text, left, box.top - 12);
        free = left + width + 6;
      });
    }

    above(u) {
      this.draw(u, (ctx, box, x) => this.labels(ctx, box, x), false);
      this.draw(u, (ctx, box, x) => this.data.alarms.forEach((alarms, i) => {
        if (!u.series[i + 1].show) return;
        ctx.fillStyle = color(`c${i % SERIES_COLORS}`);
        ctx.strokeStyle = color("surface");
        for (const at of alarms) {
          const base = box.top + box.height - 1;
          ctx.beginPath();
          ctx.moveTo(x(at) - 6, base);
          ctx.lineTo(x(at) + 6, base);
          ctx.lineTo(x(at), base - 11);
          ctx.closePath();
          ctx.fill();
          ctx.stroke();
        }
      }));
    }
  }

  class RecoveryChart extends Chart {
    constructor(holder) {
      super(holder);
      this.candidate = Number(holder.dataset.candidate);
      this.recovery = this.data.recoveries[this.candidate][Number(holder.dataset.recovery)];
    }

    // One axis for all candidates of a drift, so that areas compare; its own for one that would lie flat on it.
    limits(low, high) {
      const top = this.largest(this.recovery);
      const shared = Math.max(...this.data.recoveries.flat().filter(({ mark }) => mark === this.recovery.mark)
        .map((recovery) => this.largest(recovery)));
      const isWhole = this.range === null && low >= 0;
      return isWhole && top > 0.1 * shared ? [0, shared * 1.06] : super.limits(low, high);
    }

    largest({ run, twin }) { return Math.max(0, ...run, ...twin); }

    height() { return 150; }
    printWidth() { return 215; }
    axisWidth() { return 44; }
    top() { return 8; }

    content() {
      const x = numbers(this.recovery.x);
      const twinX = this.recovery.twinX ? numbers(this.recovery.twinX) : x;
      return {
        columns: [[x, this.recovery.run], [twinX, this.recovery.twin]],
        series: [
          { label: "run", stroke: color(`c${this.candidate % SERIES_COLORS}`), width: 1.75, points: { show: false } },
          { label: "twin", stroke: color("muted"), width: 1.25, dash: [4, 3], points: { show: false } },
        ],
      };
    }

    below(u) {
      const mark = this.data.marks[this.recovery.mark];
      const xs = u.data[0];
      const [run, twin] = [filled(xs, u.data[1]), filled(xs, u.data[2])];
      this.draw(u, (ctx, box, x, y) => {
        ctx.fillStyle = color("regret");
        const within = xs.map((_, i) => i).filter((i) => xs[i] >= mark.start && run[i] != null && twin[i] != null);
        ctx.beginPath();
        within.forEach((i) => ctx.lineTo(x(xs[i]), y(run[i])));
        within.reverse().forEach((i) => ctx.lineTo(x(xs[i]), y(twin[i])));
        ctx.fill();
        ctx.strokeStyle = color("drift");
        ctx.beginPath();
        ctx.moveTo(x(mark.start), box.top);
        ctx.lineTo(x(mark.start), box.top + box.height);
        ctx.stroke();
      });
    }
  }

  function markName(marks, index) {
    const { kind } = marks[index];
    const before = marks.slice(0, index).filter((mark) => mark.kind === kind).length;
    return `${kind === "drift" ? "D" : "F"}${before + 1}`;
  }

  function chartOf(holder) {
    if (!charts.has(holder)) {
      const chart = holder.classList.contains("curve") ? new CurveChart(holder) : new RecoveryChart(holder);
      charts.set(holder, chart);
      chart.build();
      resized.observe(holder);
    }
    return charts.get(holder);
  }

  const resized = new ResizeObserver((entries) => {
    if (printing) return;
    for (const { target } of entries) {
      const { plot } = charts.get(target);
      if (target.clientWidth && target.clientWidth !== plot.width) plot.setSize(charts.get(target).size());
    }
  });

  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      seen.unobserve(target);
      chartOf(target);
    }
  }, { rootMargin: "300px" });

  // ---- tables ------------------------------------------------------------------------------------------------------

  function sortKey(row, column) {
    const cell = row.cells[column];
    const text = cell.dataset.value ?? cell.textContent.trim();
    return text !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
  }

  function compare(a, b, sign) {
    // What has no value comes last in either direction.
    if (a === "" || b === "") return (a === "") - (b === "");
    if (typeof a === "number" && typeof b === "number") return sign * (a - b);
    return sign * String(a).localeCompare(String(b), "en", { numeric: true });
  }

  function makeSortable(table) {
    const heads = all("thead th", table);
    heads.forEach((head, column) => {
      if ("fixed" in head.dataset) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const ascending = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((other) => other.hasAttribute("aria-sort") && other.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
        const body = table.tBodies[0];
        const rows = [...body.rows].map((row) => [sortKey(row, column), row]);
        rows.sort(([a], [b]) => compare(a, b, ascending ? 1 : -1));
        rows.forEach(([, row]) => row.classList.remove("group"));
        body.append(...rows.map(([, row]) => row));
      });
    });
  }

  // ---- page --------------------------------------------------------------------------------------------------------

  async function copy(button) {
    const code = button.parentElement.querySelector("code");
    let done = true;
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      // Pages from a file may not write to the clipboard: select the text for the reader.
      getSelection().selectAllChildren(code);
      done = document.execCommand("copy");
    }
    button.textContent = done ? "Copied" : "Selected";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  }

  all(".scenario").forEach((section) => {
    const { marks } = section.querySelector(".mark") ? dataOf(section) : { marks: [] };
    all(".mark b", section).forEach((name, i) => { name.textContent = markName(marks, i); });
  });
  all("table.sortable").forEach(makeSortable);
  all(".copy").forEach((button) => button.addEventListener("click", () => copy(button)));
  all(".chart").forEach((holder) => seen.observe(holder));

  const jump = document.getElementById("jump");
  if (jump) {
    jump.addEventListener("change", () => {
      history.replaceState(null, "", jump.value);
      document.getElementById(jump.value.slice(1)).scrollIntoView();
    });
    // The choice follows the reader: the section at the top of the window.
    const current = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries) if (isIntersecting) jump.value = `#${target.id || "top"}`;
    }, { rootMargin: "-60px 0px -85% 0px" });
    all("main > section").forEach((section) => current.observe(section));
  }

  document.addEventListener("themechange", () => charts.forEach((chart) => chart.build()));

  let themeBefore;
  function setPrinting(on) {
    printing = on;
    if (on) {
      themeBefore = root.dataset.theme;
      all("details").forEach((details) => { details.open = true; });
      all(".chart").forEach(chartOf);
    }
    root.dataset.theme = on ? "light" : themeBefore;
    charts.forEach((chart) => chart.build());
  }
  addEventListener("beforeprint", () => setPrinting(true));
  addEventListener("afterprint", () => setPrinting(false));
})();
