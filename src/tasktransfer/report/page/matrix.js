// The matrix: a grid of cells one can walk through, or a canvas above LARGE tasks; and the chosen cell in words.

const STOPS = [
  [-1, [143, 50, 0]], [-0.6, [213, 94, 0]], [-0.25, [243, 180, 138]], [0, [250, 250, 250]],
  [0.25, [143, 193, 227]], [0.6, [0, 114, 178]], [1, [0, 62, 102]],
];
let current = null; // {source, target}: where the keyboard stands

function colourOf(value, limit) {
  const x = Math.max(-1, Math.min(1, value / limit));
  const above = Math.max(1, STOPS.findIndex(([place]) => place >= x));
  const [[low, from], [high, to]] = [STOPS[above - 1], STOPS[above]];
  const part = (x - low) / (high - low);
  return from.map((channel, i) => Math.round(channel + part * (to[i] - channel)));
}

function inkOn(colour) {
  const [r, g, b] = colour.map((channel) => {
    const c = channel / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  const light = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  return 1.05 / (light + 0.05) > (light + 0.05) / 0.055 ? '#fff' : '#111';
}

const css = (colour) => `rgb(${colour.join(',')})`;

function drawMatrix() {
  const holder = byId('matrix-holder');
  const { sources, targets } = model();
  current = null;
  describeCell(null);
  if (!sources.length || !targets.length) {
    holder.replaceChildren(el('p', { class: 'none' }, 'No finetune of this model was measured.'));
    byId('matrix-legend').replaceChildren();
    return;
  }
  holder.replaceChildren(...(size() > LARGE
    ? [el('p', { class: 'scope' }, 'Down: finetuned on. Across: measured on.'), matrixCanvas()] : [matrixGrid()]));
  drawLegend();
}

// the width that the panel beside leaves
function matrixRoom() {
  const all = byId('matrix').clientWidth;
  return all > 800 ? all - 252 : all;
}

// ---- a grid of cells

function lettersOf() {
  return state.seed === 'mean' ? model().cells.letters : model().runs[state.seed].letters;
}

function matrixGrid() {
  const { sources, targets } = model();
  const withNumbers = Math.max(sources.length, targets.length) <= WITH_NUMBERS;
  const upright = targets.every((place) => task(place).label.length <= 3);
  const head = el('tr', {},
    el('th', { class: 'corner', scope: 'col' }, el('span', {}, 'finetuned\u00a0on\u00a0↓ measured\u00a0on\u00a0→')),
    targets.map((place) => el('th', { scope: 'col', title: task(place).name, 'data-place': place },
      el('span', { class: upright ? 'upright' : 'turned' }, task(place).label))));
  const rows = sources.map((source, row) => el('tr', {},
    el('th', { scope: 'row', title: task(source).name, 'data-place': source }, rowName(task(source))),
    targets.map((target, column) => matrixCell(source, target, withNumbers, row + column === 0))));
  const table = el('table', {
    class: `matrix${withNumbers ? ' numbers' : ' bare'}`, role: 'grid', id: 'matrix-grid',
    'aria-label': 'Transfer matrix; arrow keys move between cells',
    on: { keydown: walkGrid, focusin: gridSees, mouseover: gridSees },
  }, el('thead', {}, head), el('tbody', {}, rows));
  if (!withNumbers) {
    const names = Math.min(176, Math.max(...sources.map((place) => textWidth(task(place).label, 12) + 14)));
    const room = matrixRoom() - names - targets.length - 6;
    table.style.setProperty('--cell', `${Math.max(12, Math.min(30, Math.floor(room / targets.length)))}px`);
  }
  return table;
}

function rowName(facts) {
  if (facts.label === facts.name) return el('span', { class: 'name' }, facts.label);
  return [el('span', { class: 'name full' }, facts.name.replaceAll('_', ' ')), ' ', el('b', {}, facts.label)];
}

function matrixCell(source, target, withNumbers, first) {
  const cell = source * size() + target;
  const value = chosen().values[cell];
  const hole = !known(value);
  const node = el('td', {
    role: 'gridcell', tabindex: first ? 0 : -1, 'data-s': source, 'data-t': target,
    class: ['cell', source === target && 'diagonal', hole && 'hole', decided(cell) && 'decided',
      cell in lettersOf() && 'constant', !(inClique(source) && inClique(target)) && 'dim'].filter(Boolean).join(' '),
    'aria-label': `${task(source).label} to ${task(target).label}: ${hole ? 'no value' : signed(value)}`,
  }, withNumbers && !hole ? signed(value) : '');
  if (!hole) {
    const colour = colourOf(value, data.colour[state.view]);
    node.style.backgroundColor = css(colour);
    node.style.color = inkOn(colour);
  }
  return node;
}

function decided(cell) {
  return state.seed === 'mean' && state.view === 'raw' && '+-'.includes(meanRaw().verdict[cell]);
}

function gridSees(event) {
  const cell = event.target.closest('td');
  if (!cell) return;
  if (event.type === 'focusin') moveTo({ source: +cell.dataset.s, target: +cell.dataset.t });
  describeCell({ source: +cell.dataset.s, target: +cell.dataset.t }, event.type === 'focusin');
}

function moveTo(place) {
  const grid = byId('matrix-grid');
  for (const old of grid.querySelectorAll('td[tabindex="0"]')) old.tabIndex = -1;
  gridCell(place).tabIndex = 0;
  current = place;
}

const gridCell = ({ source, target }) =>
  byId('matrix-grid').querySelector(`td[data-s="${source}"][data-t="${target}"]`);

// where a key leads from a place, or null when it is not ours
function step(event, place) {
  const { sources, targets } = model();
  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
    Home: [0, -Infinity], End: [0, Infinity], PageUp: [-Infinity, 0], PageDown: [Infinity, 0] };
  const move = moves[event.key];
  if (!move || event.altKey || event.metaKey) return null;
  const within = (value, length) => Math.max(0, Math.min(length - 1, value));
  event.preventDefault();
  return {
    source: sources[within(sources.indexOf(place.source) + move[0], sources.length)],
    target: targets[within(targets.indexOf(place.target) + move[1], targets.length)],
  };
}

function walkGrid(event) {
  const cell = event.target.closest('td');
  const next = cell && step(event, { source: +cell.dataset.s, target: +cell.dataset.t });
  if (next) gridCell(next).focus();
}

// ---- a canvas for many tasks

function matrixCanvas() {
  const { sources, targets } = model();
  const room = Math.max(300, Math.min(820, matrixRoom() - 4));
  const side = Math.max(3, Math.floor(room / Math.max(targets.length, sources.length)));
  const scale = Math.max(1, Math.min(2, window.devicePixelRatio || 1));
  const canvas = el('canvas', {
    id: 'matrix-canvas', tabindex: 0, role: 'application', class: 'matrix-canvas',
    width: targets.length * side * scale, height: sources.length * side * scale,
    'aria-label': `Transfer matrix of ${sources.length} sources and ${targets.length} targets; arrow keys move between cells`,
  });
  canvas.style.width = `${targets.length * side}px`;
  canvas.style.height = `${sources.length * side}px`;
  const paint = () => paintCanvas(canvas, side * scale);
  const placeOf = (event) => {
    const box = canvas.getBoundingClientRect();
    const row = Math.floor((event.clientY - box.top) / side);
    const column = Math.floor((event.clientX - box.left) / side);
    return row in sources && column in targets ? { source: sources[row], target: targets[column] } : null;
  };
  canvas.addEventListener('mousemove', (event) => describeCell(placeOf(event)));
  canvas.addEventListener('click', (event) => {
    current = placeOf(event) || current;
    describeCell(current, true);
    paint();
  });
  canvas.addEventListener('focus', () => {
    current = current || { source: sources[0], target: targets[0] };
    describeCell(current, true);
    paint();
  });
  canvas.addEventListener('keydown', (event) => {
    const next = current && step(event, current);
    if (!next) return;
    current = next;
    describeCell(next, true);
    paint();
  });
  paint();
  return canvas;
}

function paintCanvas(canvas, side) {
  const { sources, targets } = model();
  const pen = canvas.getContext('2d');
  const hatch = pen.createPattern(hatchTile(), 'repeat');
  pen.clearRect(0, 0, canvas.width, canvas.height);
  sources.forEach((source, row) => targets.forEach((target, column) => {
    const value = valueAt(source, target);
    pen.globalAlpha = inClique(source) && inClique(target) ? 1 : 0.15;
    pen.fillStyle = known(value) ? css(colourOf(value, data.colour[state.view])) : hatch;
    pen.fillRect(column * side, row * side, side, side);
    if (source === target) {
      pen.strokeStyle = '#222';
      pen.lineWidth = Math.max(1, side / 8);
      pen.strokeRect(column * side + 0.5, row * side + 0.5, side - 1, side - 1);
    }
  }));
  pen.globalAlpha = 1;
  if (!current) return;
  pen.lineWidth = 3;
  pen.strokeStyle = '#000';
  pen.strokeRect(targets.indexOf(current.target) * side - 2, sources.indexOf(current.source) * side - 2, side + 4, side + 4);
}

function hatchTile() {
  const tile = el('canvas', { width: 4, height: 4 });
  const pen = tile.getContext('2d');
  pen.fillStyle = '#f1f1f1';
  pen.fillRect(0, 0, 4, 4);
  pen.fillStyle = '#8a8f98';
  for (let i = 0; i < 4; i += 1) pen.fillRect(i, 3 - i, 1, 1);
  return tile;
}

// ---- legend and words

function drawLegend() {
  const limit = data.colour[state.view];
  const ramp = Array.from({ length: 21 }, (_, i) => css(colourOf(-1 + i / 10, 1)));
  const bar = el('span', { class: 'ramp' });
  bar.style.backgroundImage = `linear-gradient(to right, ${ramp.join(',')})`;
  const clipped = chosen().values.some((value) => known(value) && Math.abs(value) > limit);
  const swatch = (kind, text) => el('span', { class: 'key' }, el('i', { class: `swatch ${kind}` }), text);
  byId('matrix-legend').replaceChildren(
    el('span', { class: 'key' }, `${clipped ? '≤ ' : ''}${signed(-limit, 2)}`, bar, `${clipped ? '≥ ' : ''}${signed(limit, 2)}`),
    swatch('diagonal', 'self-transfer'),
    swatch('hole', 'hole: missing or undefined'),
    ...(size() <= LARGE && Object.keys(lettersOf()).length ? [swatch('constant', 'a run scores as a constant answer')] : []),
    ...(size() <= WITH_NUMBERS && state.seed === 'mean' && state.view === 'raw' && /[+-]/.test(meanRaw().verdict)
      ? [el('span', { class: 'key' }, el('b', {}, '+0.10'), ' bold: differs from 0, false discoveries held')] : []),
    el('span', { class: 'key' }, 'The scale is the same for all models.'),
  );
}

function describeCell(place, aloud = false) {
  const panel = byId('cell');
  if (!place) {
    panel.replaceChildren(el('p', { class: 'hint' }, 'Point at a cell, or walk through the matrix with the arrow keys, to read it here.'));
    return;
  }
  const { source, target } = place;
  const value = valueAt(source, target);
  panel.replaceChildren(...[
    el('h3', {}, el('span', {}, task(source).name), ' → ', el('span', {}, task(target).name)),
    el('p', { class: `big ${signOf(value)}` }, known(value) ? signed(value, 3) : holeText(place),
      known(value) && el('small', {}, state.view === 'raw' ? ' PGF' : ' interaction')),
    el('dl', {}, cellFacts(place).map(([name, text]) => [el('dt', {}, name), el('dd', {}, text)])),
    countsList(place),
    known(meanRaw().low[source * size() + target]) && el('p', { class: 'hint' }, `Interval and verdict are of the mean over seeds; they speak of: ${uncertaintyText(source * size() + target)}.`),
  ].filter(Boolean));
  if (!aloud) return;
  byId('cell-live').textContent = `${task(source).name} to ${task(target).name}: `
    + (known(value) ? `${viewName()} ${signed(value, 3)}` : holeText(place));
}

function holeText({ source, target }) {
  if (state.view === 'interaction' && source === target) return 'no interaction on the diagonal';
  return 'hole';
}

function cellFacts({ source, target }) {
  const cell = source * size() + target;
  const mean = meanRaw();
  const facts = state.seed === 'mean' ? model().cells : model().runs[state.seed];
  const told = [];
  const tell = (name, text) => text && told.push([name, text]);
  if (state.view === 'interaction') tell('raw PGF', signed(raw().values[cell], 3));
  if (known(facts.gain[cell])) {
    tell('gain', `${signed(facts.gain[cell] * 100, 1)} points`);
    tell('accuracy', `${(facts.baseline[cell] * 100).toFixed(1)} → ${percent(facts.accuracy[cell])}`);
  }
  tell('right answers', countsText(cell));
  tell('seeds', state.seed === 'mean' ? String(at(model().cells.seeds, cell)) : data.seeds[+state.seed]);
  if (known(mean.seed_sd[cell])) tell('seed SD', plain(mean.seed_sd[cell], 3));
  if (known(mean.low[cell])) {
    tell(`${share(data.confidence)} interval`, `${signed(mean.low[cell])} to ${signed(mean.high[cell])}`);
  }
  tell('verdict', verdictText(mean, cell));
  tell('flags', (raw().flags[cell] || '').replaceAll(';', ', ').replaceAll('_', ' '));
  const letters = lettersOf()[cell];
  if (letters) tell('constant answer', state.seed === 'mean' ? letters : `scores as ${letters === '?' ? 'one answer' : `(${letters})`} throughout`);
  return told;
}

const uncertaintyText = (cell) => meanRaw().uncertainty.kinds[meanRaw().uncertainty.codes[cell]] || 'unknown';

function verdictText(mean, cell) {
  const words = { '+': 'positive', '-': 'negative', 0: 'negligible', '?': 'undecided' }[mean.verdict[cell]];
  if (!words) return '';
  return known(mean.q_value[cell]) ? `${words} (q = ${+mean.q_value[cell].toPrecision(2)})` : words;
}

const countText = (facts, cell) => (known(at(facts.correct, cell)) && known(at(facts.baselineCorrect, cell))
  ? `${at(facts.baselineCorrect, cell)} → ${at(facts.correct, cell)} of ${at(facts.items, cell)}` : null);

// right answers before → after, of the seed shown; of the mean where the seeds are not listed below
function countsText(cell) {
  if (state.seed !== 'mean') return countText(model().runs[state.seed], cell);
  const { items, accuracy, baseline } = model().cells;
  if (Object.keys(model().runs).length || !known(at(items, cell)) || !known(accuracy[cell]) || !known(baseline[cell])) return null;
  const right = (part) => +(part * at(items, cell)).toFixed(1);
  return `${right(baseline[cell])} → ${right(accuracy[cell])} of ${at(items, cell)}${model().nSeeds > 1 ? ' (mean)' : ''}`;
}

function countsList({ source, target }) {
  if (state.seed !== 'mean') return null;
  const each = Object.entries(model().runs)
    .map(([seed, facts]) => [data.seeds[+seed], countText(facts, source * size() + target)]).filter(([, text]) => text);
  if (!each.length) return null;
  const shown = each.slice(0, 12).map(([seed, text]) => el('tr', {}, el('th', { scope: 'row' }, seed), el('td', {}, text)));
  return el('table', { class: 'counts' }, el('caption', {}, 'Right answers, before → after'), el('tbody', {}, shown),
    each.length > 12 && el('tfoot', {}, el('tr', {}, el('td', { colspan: 2 }, `and ${each.length - 12} more seeds`))));
}
