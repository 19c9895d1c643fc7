// Controls above charts: a choice by name, and a box to tick.

let controls = 0;

// Returns a labelled choice; chosen(value) is called when it changes. Options: [[value, text], ...].
function drawSelect(label, options, value, chosen) {
  const id = `control-${(controls += 1)}`;
  const select = make("select", { id, onchange: () => chosen(select.value) });
  for (const [key, text] of options) {
    select.append(make("option", { value: key, selected: String(key) === String(value) }, text));
  }
  return make("span", { class: "control" }, make("label", { for: id }, label), select);
}

// Returns a labelled box; chosen(ticked) is called when it changes.
function drawTick(label, ticked, chosen) {
  const id = `control-${(controls += 1)}`;
  const box = make("input", { id, type: "checkbox", checked: ticked, onchange: () => chosen(box.checked) });
  return make("span", { class: "control" }, box, make("label", { for: id }, label));
}

function numbered(names) {
  return names.map((name, at) => [at, name]);
}
