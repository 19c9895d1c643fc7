// Charts: curves with bands, dots with intervals, and maps of numbers, drawn by Plotly. Each has a
// legend that is made of buttons, and its numbers as a table on demand.

// Looks of curves that are of no policy, told apart without colour too.
const looks = [
  { light: "#1f6f8b", dark: "#6cc4e0", dash: "solid", symbol: "circle" },
  { light: "#b5541c", dark: "#f0a06a", dash: "9px,3px", symbol: "square" },
  { light: "#55605f", dark: "#b8c2c1", dash: "2px,3px", symbol: "diamond" },
];

const charts = new Set();
const paperWidth = 680; // px of a chart on paper
const settings = { // of Plotly: nothing is sent or linked anywhere
  displaylogo: false,
  plotlyServerURL: "",
  modeBarButtonsToRemove: ["sendChartToCloud", "lasso2d", "select2d", "autoScale2d"],
};

// Runs Plotly's bundle when the first chart is drawn.
function plotly() {
  if (!window.Plotly) {
    document.head.append(make("script", {}, document.getElementById("plotly").textContent));
  }
  return window.Plotly;
}

// Plotly reads markup in texts: here they have none.
function plain(text) {
  return String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// Draws a chart and returns its element, whose update(chart) draws another in its place.
//
// A chart has title, note, height, x and y ({title, log, zero}), and one of
//   series: [{name, look, x, y, low, high, step, dots}], curves or, with dots, marks alone;
//   rows: [{name, look, values: [mean, low, high], hollow}], a dot each, from top to bottom;
//   heat: {x, until, y, z, title, xTitle, yTitle}, a number for each column and row.
function drawChart(chart) {
  const plot = make("div", { class: "plot" });
  const legend = make("div", { class: "legend", role: "group", "aria-label": "Curves shown" });
  const title = make("h4");
  const body = make("div");
  const said = make("p", { class: "note" });
  const details = make("details", { class: "numbers" }, make("summary", {}, "Numbers as a table"), body);
  const element = make("figure", { class: "chart" }, title, legend, plot, said, details);
  const state = { chart, plot, hidden: new Set(), element };

  function fillTable() {
    body.replaceChildren(...(details.open ? [drawTable(numbersOf(state.chart))] : []));
  }

  details.addEventListener("toggle", fillTable);
  element.update = (next) => {
    state.chart = next;
    title.textContent = next.title;
    said.textContent = next.note || "";
    said.hidden = !next.note;
    plot.setAttribute("role", "img");
    plot.setAttribute("aria-label", `${next.title}. ${inWords(next)}`);
    drawLegend(state, legend);
    fillTable();
    if (plot.isConnected) redraw(state);
  };
  element.update(chart);
  charts.add(state);
  requestAnimationFrame(() => redraw(state)); // once it stands in the document and has a width
  return element;
}

function redraw(state) {
  const { plot, chart } = state;
  if (!plot.isConnected || !plot.offsetParent) return;
  const printing = document.documentElement.classList.contains("printing");
  const width = printing ? paperWidth : plot.clientWidth;
  const layout = layoutOf(chart, width);
  plotly().react(plot, tracesOf(state), layout, settings);
  Object.assign(state, { width, theme: theme() });
}

function redrawCharts() {
  for (const state of charts) {
    if (!state.plot.isConnected) charts.delete(state); // another took its place
    else redraw(state);
  }
}

function resizeCharts(within) {
  for (const state of charts) {
    const same = state.plot.clientWidth === state.width && theme() === state.theme;
    if (within.contains(state.plot) && !same) redraw(state);
  }
}

function tracesOf({ chart, hidden }) {
  if (chart.heat) return [heatTrace(chart)];
  if (chart.rows) return chart.rows.map(dotTrace);
  const shown = chart.series.filter((series) => !hidden.has(series.name));
  return [...shown.flatMap((series) => bandTraces(series)), ...shown.map(curveTrace)];
}

function curveTrace(series) {
  const shade = series.look[theme()];
  const told = series.y.map((value, at) => {
    const [low, high] = series.low ? [series.low[at], series.high[at]] : [null, null];
    return `${plain(series.name)}: ${spread(value, low, high)}`;
  });
  return {
    type: "scatter",
    mode: series.dots ? "markers" : "lines+markers",
    x: series.x.map((value) => (typeof value === "string" ? plain(value) : value)),
    y: series.y,
    text: told,
    hoverinfo: "text",
    line: { color: shade, dash: series.look.dash, width: 2, shape: series.step ? "hv" : "linear" },
    marker: { color: shade, symbol: series.look.symbol, size: series.dots ? 9 : 7, maxdisplayed: series.dots ? 0 : 9, line: { color: shade, width: 1.5 } },
    error_y: series.dots && series.low ? errors(series.y, series.low, series.high, shade) : undefined,
    showlegend: false,
  };
}

function errors(mean, low, high, shade) {
  const parts = (ends, sign) => mean.map((value, at) => (ends[at] === null ? 0 : sign * (ends[at] - value)));
  return { type: "data", symmetric: false, array: parts(high, 1), arrayminus: parts(low, -1), color: shade, thickness: 1.5, width: 4 };
}

// The band of a curve, a closed shape for each stretch without a gap.
function bandTraces(series) {
  if (!series.low || series.dots) return [];
  const stretches = [];
  let open = null;
  series.low.forEach((low, at) => {
    if (low === null || series.high[at] === null) open = null;
    else if (open) open.push(at);
    else stretches.push((open = [at]));
  });
  const x = [];
  const y = [];
  for (const places of stretches) {
    const above = steps(places, series, series.high);
    const below = steps(places, series, series.low).reverse();
    for (const [across, up] of [...above, ...below, [null, null]]) {
      x.push(across);
      y.push(up);
    }
  }
  const fill = `${series.look[theme()]}2b`;
  return [{ type: "scatter", mode: "none", x, y, fill: "toself", fillcolor: fill, hoverinfo: "skip", showlegend: false }];
}

function steps(places, series, values) {
  const points = [];
  for (const at of places) {
    if (series.step && points.length) points.push([series.x[at], points.at(-1)[1]]);
    points.push([series.x[at], values[at]]);
  }
  return points;
}

function dotTrace(row) {
  const [mean, low, high] = row.values;
  const shade = row.look[theme()];
  const symbol = row.hollow ? `${row.look.symbol.replace("-open", "")}-open` : row.look.symbol;
  return {
    type: "scatter",
    mode: "markers",
    x: [mean],
    y: [plain(row.name)],
    cliponaxis: false,
    text: [`${plain(row.name)}: ${spread(mean, low, high)}`],
    hoverinfo: "text",
    marker: { color: shade, symbol, size: 10, line: { color: shade, width: 1.5 } },
    error_x: low === null || low === undefined ? undefined : errors([mean], [low], [high], shade),
    showlegend: false,
  };
}

function heatTrace({ heat }) {
  return {
    type: "heatmap",
    x: [...heat.x, heat.until], // edges: a column lasts until the next
    y: heat.y,
    z: heat.z,
    colorscale: "Cividis",
    text: heat.z.map((row, y) => row.map((z, x) => `${heat.xTitle} ${heat.x[x]}, ${heat.yTitle} ${heat.y[y]}: ${format(z)}`)),
    hoverinfo: "text",
    colorbar: { title: { text: plain(heat.title), side: "right", font: { size: 12.5 } }, thickness: 12, outlinewidth: 0 },
  };
}

function layoutOf(chart, width) {
  const height = chart.rows ? 84 + 26 * chart.rows.length : chart.height || 340;
  const x = axisOf(chart.x || {}, width);
  const y = axisOf(chart.y || {}, width);
  if (chart.rows) {
    Object.assign(y, { type: "category", autorange: "reversed", showgrid: true, dtick: 1 });
    Object.assign(x, { zeroline: Boolean(chart.x && chart.x.zero) });
  }
  const many = chart.series && chart.series.length > 8;
  return {
    width,
    height,
    margin: { l: 56, r: 16, t: 30, b: 44 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, sans-serif", size: 12.5, color: colour("text") },
    hovermode: chart.series && !many ? "x unified" : "closest",
    hoverlabel: { bgcolor: colour("paper"), bordercolor: colour("line"), font: { color: colour("text") }, align: "left" },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("quiet"), activecolor: colour("accent") },
    dragmode: "zoom",
    xaxis: x,
    yaxis: y,
    uirevision: chart.title,
  };
}

function axisOf(axis, width) {
  return {
    title: { text: plain(axis.title || ""), standoff: 8, font: { size: 12.5 } },
    type: axis.categories ? "category" : axis.log ? "log" : undefined,
    categoryarray: axis.categories ? axis.categories.map(plain) : undefined,
    automargin: true,
    rangemode: axis.zero ? "tozero" : undefined,
    gridcolor: colour("grid"),
    linecolor: colour("line"),
    zerolinecolor: colour("quiet"),
    zeroline: Boolean(axis.zero),
    ticks: "outside",
    tickcolor: colour("line"),
    nticks: width < 500 ? 5 : undefined,
    exponentformat: "power",
    minexponent: 4,
  };
}
