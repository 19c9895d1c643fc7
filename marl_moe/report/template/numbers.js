// Numbers of charts as texts and tables, for those who do not see or do not trust a picture.

const digits = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const tiny = new Intl.NumberFormat("en", { maximumSignificantDigits: 3, notation: "scientific" });

function format(value) {
  if (value === null || value === undefined) return "-";
  if (value !== 0 && Math.abs(value) < 1e-4) return tiny.format(value).toLowerCase();
  return digits.format(value);
}

function spread(value, low, high) {
  const known = low !== null && low !== undefined && high !== null && high !== undefined;
  return known ? `${format(value)} [${format(low)}, ${format(high)}]` : format(value);
}

// What a chart shows in words, for those who do not see it.
function inWords(chart) {
  const many = 8;
  let parts = [];
  if (chart.rows) parts = chart.rows.map((row) => `${row.name}: ${spread(...row.values)}`);
  else if (chart.series) {
    parts = chart.series.map((series) => {
      const last = series.y.findLastIndex((value) => value !== null);
      return last < 0 ? `${series.name}: no value` : `${series.name}: ${format(series.y[last])} at the end`;
    });
  }
  const more = parts.length > many ? `; and ${parts.length - many} more` : "";
  return `${parts.slice(0, many).join("; ")}${more}. All numbers are in the table below.`;
}

// The numbers of a chart, as a table.
function numbersOf(chart) {
  const number = (value, text = format(value)) => ({ text, value });
  if (chart.rows) {
    const rows = chart.rows.map((row) => [{ text: row.name }, number(row.values[0], spread(...row.values))]);
    return { title: "", columns: [{ heading: "" }, { heading: chart.title, numeric: true }], rows, notes: [] };
  }
  if (chart.heat) {
    const { x, y, z, yTitle } = chart.heat;
    const columns = [{ heading: yTitle, numeric: true }, ...x.map((at) => ({ heading: format(at), numeric: true }))];
    const rows = y.map((name, at) => [number(name), ...z[at].map((value) => number(value))]);
    return { title: "", columns, rows, notes: [] };
  }
  const across = [...new Set(chart.series.flatMap((series) => series.x))];
  if (across.every((value) => typeof value === "number")) across.sort((a, b) => a - b);
  const found = chart.series.map((series) => new Map(series.x.map((value, at) => [value, at])));
  const rows = across.map((value) => [
    typeof value === "number" ? number(value) : { text: value },
    ...chart.series.map((series, place) => {
      const at = found[place].get(value);
      if (at === undefined) return number(null);
      const [low, high] = series.low ? [series.low[at], series.high[at]] : [null, null];
      return number(series.y[at], spread(series.y[at], low, high));
    }),
  ]);
  const numeric = across.every((value) => typeof value === "number");
  const columns = [
    { heading: (chart.x && chart.x.title) || "", numeric },
    ...chart.series.map((series) => ({ heading: series.name, numeric: true })),
  ];
  return { title: "", columns, rows, notes: [] };
}
