// Data, state, controls. Names reach the page through text nodes and attributes only.

const data = JSON.parse(document.getElementById('payload').textContent);
const AGGREGATES = ['transferability_pos', 'transferability_neg', 'malleability_pos', 'malleability_neg'];
const ZERO = 1e-9; // as in analysis/pgf.py: a smaller value has no sign
const SIGN_COLOURS = { positive: '#0072b2', negative: '#d55e00' };
const LARGE = 60; // more tasks than this are drawn on a canvas
const WITH_NUMBERS = 16; // up to this many tasks the cells hold their number

const state = {
  model: 0, seed: 'mean', ceiling: 0, view: data.on, share: data.share,
  clique: null, // {sign, members}: positions in the model's tasks
};

// ---- building elements

const byId = (id) => document.getElementById(id);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'on') for (const [event, run] of Object.entries(value)) node.addEventListener(event, run);
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

function el(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function svg(tag, attributes, ...children) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
}

const ruler = document.createElement('canvas').getContext('2d');

function textWidth(text, size, weight) {
  ruler.font = `${weight || 400} ${size}px ${getComputedStyle(document.body).fontFamily}`;
  return ruler.measureText(text).width;
}

function shorten(text, width, size, weight) {
  if (textWidth(text, size, weight) <= width) return text;
  const signs = [...text];
  while (signs.length > 1 && textWidth(signs.join('') + '…', size, weight) > width) signs.pop();
  return signs.join('') + '…';
}

// names of one family differ at their ends
function shortenMiddle(text, width, size) {
  if (textWidth(text, size) <= width) return text;
  const signs = [...text];
  const cut = (kept) => `${signs.slice(0, Math.ceil(kept / 2)).join('')}…${signs.slice(signs.length - Math.floor(kept / 2)).join('')}`;
  let kept = signs.length - 1;
  while (kept > 1 && textWidth(cut(kept), size) > width) kept -= 1;
  return cut(kept);
}

// ---- numbers in words

const known = (value) => value !== null && value !== undefined;

function signed(value, digits = 2) {
  if (!known(value)) return '–';
  if (Math.abs(value) <= ZERO) return (0).toFixed(digits);
  return (value > 0 ? '+' : '−') + Math.abs(value).toFixed(digits);
}

function plain(value, digits = 3) {
  return known(value) ? (value < 0 ? '−' : '') + Math.abs(value).toFixed(digits) : '–';
}

const percent = (value) => (known(value) ? `${(value * 100).toFixed(1)}%` : '–');
const share = (value) => `${+(value * 100).toFixed(1)}%`;
const plural = (count, noun) => `${count} ${noun}${count === 1 ? '' : 's'}`;
const signOf = (value) => (value > ZERO ? 'positive' : value < -ZERO ? 'negative' : '');

// ---- what is chosen

const model = () => data.models[state.model];
const task = (place) => data.tasks[model().tasks[place]]; // by position in the model's tasks
const keyOf = (view) => `${state.model}|${state.seed}|${state.ceiling}|${view}`;
const chosen = () => data.views[keyOf(state.view)];
const raw = () => data.views[keyOf('raw')];
const meanRaw = () => data.views[`${state.model}|mean|${state.ceiling}|raw`];
const size = () => model().tasks.length;
const at = (values, cell) => (Array.isArray(values) ? values[cell] : values);
const valueAt = (source, target) => chosen().values[source * size() + target];
// probabilities and intervals of the structure are of the analysed view alone
const isAnalysed = () => state.seed === 'mean' && state.ceiling === 0 && state.view === data.on;
const certain = () => (isAnalysed() ? data.certainty[state.model] : null);
const edgeChance = ({ source, target }) => (certain() && state.share === data.share ? certain().edges[source * size() + target] : null);
const viewName = () => (state.view === 'raw' ? 'raw PGF' : 'interaction');

function seedName() {
  if (state.seed !== 'mean') return `seed ${data.seeds[+state.seed]}`;
  return model().nSeeds === 1 ? 'one seed' : `mean over ${model().nSeeds} seeds`;
}

function scopeText(what) {
  const ceiling = `ceiling ${data.ceilings[state.ceiling]}`;
  if (what === 'model') return `Follows the model in the bar above: ${model().label}, mean over seeds, raw PGF.`;
  if (what === 'analysed' || what === 'controls') {
    const view = what === 'controls' || data.on === 'raw' ? 'raw PGF' : 'interaction';
    return `Follows the model in the bar above: ${model().label}, mean over seeds, ceiling ${data.ceilings[0]}, ${view}.`;
  }
  return `Shows ${model().label}, ${seedName()}, ${ceiling}, ${viewName()}.`;
}

const inClique = (place) => !state.clique || state.clique.members.includes(place);

// ---- controls

function options(select, entries) {
  select.replaceChildren(...entries.map(([value, text]) => el('option', { value }, text)));
}

function setUpControls() {
  const pick = (id, entries, key, read) => {
    const select = byId(id);
    options(select, entries);
    select.value = String(state[key]);
    select.addEventListener('change', () => choose({ [key]: read(select.value) }));
  };
  pick('control-model', data.models.map((one, i) => [i, one.label]), 'model', Number);
  pick('control-seed', [], 'seed', String);
  pick('control-ceiling', data.ceilings.map((name, i) => [i, name]), 'ceiling', Number);
  byId('control-model').disabled = data.models.length < 2;
  byId('control-ceiling').disabled = data.ceilings.length < 2;
  for (const view of ['raw', 'interaction']) {
    const radio = byId(`control-${view}`);
    radio.checked = state.view === view;
    radio.addEventListener('change', () => choose({ view }));
  }
  const told = [];
  if (data.leftOut) told.push(`Seeds and ceilings cannot be switched here. ${data.leftOut}.`);
  else if (data.ceilings.length < 2) told.push('These data allow one ceiling only.');
  byId('left-out').textContent = told.join(' ');
  byId('left-out').hidden = !told.length;
}

function seedOptions() {
  const here = Object.keys(model().runs);
  const mean = model().nSeeds === 1 ? 'the only one' : `mean over ${model().nSeeds}`;
  const select = byId('control-seed');
  options(select, [['mean', mean], ...here.map((seed) => [seed, data.seeds[+seed]])]);
  select.value = state.seed;
  select.disabled = !here.length;
}

function choose(change) {
  Object.assign(state, change);
  if (state.seed !== 'mean' && !(state.seed in model().runs)) state.seed = 'mean';
  state.clique = null; // a clique belongs to one matrix
  heldNode = null;
  drawFollowing();
  byId('announce').textContent = scopeText('all');
}

function holdClique(clique) {
  state.clique = clique;
  drawMatrix();
  drawGraph();
  drawCliques();
  drawHeld();
}

function drawHeld() {
  const held = byId('held');
  held.hidden = !state.clique;
  if (!state.clique) return held.replaceChildren();
  const names = state.clique.members.map((place) => task(place).label).join(', ');
  held.replaceChildren(
    el('span', {}, `Marked: ${state.clique.sign} clique of ${state.clique.members.length} (${names})`),
    el('button', { type: 'button', id: 'clique-clear', on: { click: () => holdClique(null) } }, 'Clear'),
  );
}

function drawFollowing() {
  seedOptions();
  for (const node of document.querySelectorAll('[data-scope]')) node.textContent = scopeText(node.dataset.scope);
  drawHeld();
  drawMatrix();
  drawGraph();
  drawCliques();
  drawPlanes();
  drawCertainty();
  drawControls();
  drawCeilings();
}

// what is drawn to the width it finds; what the reader holds stays held
function fitToWidth() {
  if (size() > LARGE) drawMatrix();
  drawGraph();
  drawPlanes();
  drawCertainty();
  drawCeilings();
}

// ---- start

function start() {
  setUpControls();
  setUpGraph();
  setUpDiagnostics();
  drawFollowing();
  let width = window.innerWidth;
  let waiting = 0;
  window.addEventListener('resize', () => {
    if (window.innerWidth === width) return;
    width = window.innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(fitToWidth, 150);
  });
  const opened = new Set();
  window.addEventListener('beforeprint', () => {
    for (const one of document.querySelectorAll('details:not([open])')) { opened.add(one); one.open = true; }
  });
  window.addEventListener('afterprint', () => {
    for (const one of opened) one.open = false;
    opened.clear();
  });
  document.documentElement.dataset.ready = 'yes';
}
