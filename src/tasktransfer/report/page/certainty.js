// How sure the aggregates are, and what the controls reach; of the analysed view, for the chosen model.

const SURE_ROWS = 40; // tasks drawn; the table holds all

function drawCertainty() {
  const holder = byId('certainty-holder');
  if (!holder) return;
  const sure = data.certainty[state.model];
  if (!sure) {
    byId('certainty-legend').replaceChildren();
    byId('certainty-table').replaceChildren();
    holder.replaceChildren(el('p', { class: 'none' }, 'The error of no cell of this model is known.'));
    return;
  }
  const mark = (kind, drawn) => svg('svg', { width: 26, height: 12, viewBox: '0 0 26 12', class: kind, 'aria-hidden': 'true' }, drawn);
  const controlled = AGGREGATES.some((name) => known(sure.control[name]));
  byId('certainty-legend').replaceChildren(el('p', { class: 'legend' },
    el('span', { class: 'key' }, mark('sure positive', [svg('line', { class: 'span', x1: 1, x2: 25, y1: 6, y2: 6 }), svg('circle', { class: 'inner', cx: 13, cy: 6, r: 3.5 })]), `without noise, ${share(data.confidence)} interval`),
    el('span', { class: 'key' }, mark('sure positive', svg('circle', { class: 'outer', cx: 13, cy: 6, r: 4 })), 'by the formula'),
    el('span', { class: 'key' }, mark('sure', svg('line', { class: 'level', x1: 13, x2: 13, y1: 0, y2: 12 })), 'noise alone'),
    controlled && el('span', { class: 'key' }, mark('sure', svg('line', { class: 'control-line', x1: 1, x2: 25, y1: 6, y2: 6 })), 'strongest control')));
  const rows = sureRows(sure);
  holder.replaceChildren(...AGGREGATES.map((name) => surePanel(name, sure, rows)));
  const all = AGGREGATES.flatMap((name) => model().tasks.map((_, place) => ({ name, place }))).filter(({ name, place }) => known(sure.measures[name].value[place]));
  const column = (title, key) => ({ name: title, text: ({ name, place }) => signed(sure.measures[name][key][place], 4), order: ({ name, place }) => sure.measures[name][key][place] });
  const left = model().tasks.length - rows.length + 1;
  byId('certainty-table').replaceChildren(...[
    left > 0 && el('p', { class: 'scope' }, `The ${SURE_ROWS} tasks with the largest values are drawn.`),
    el('details', {}, el('summary', {}, 'The intervals as a table'), sortableTable({
      caption: `Aggregates of ${model().label}`, id: 'sure-table',
      columns: [
        { name: 'task', text: ({ place }) => task(place).name }, { name: 'measure', text: ({ name }) => MEASURES[name] },
        column('by the formula', 'value'), column('without noise', 'debiased'), column('low', 'low'), column('high', 'high'), column('noise alone', 'noise'),
      ],
      rows: all,
    }))].filter(Boolean));
}

// the mean over tasks, which stands last in the lists, then the tasks: of many those with the largest values
function sureRows(sure) {
  const reach = (place) => Math.max(...AGGREGATES.map((name) => Math.abs(sure.measures[name].value[place] || 0)));
  const places = model().tasks.map((_, place) => place).filter((place) => AGGREGATES.some((name) => known(sure.measures[name].value[place])));
  const kept = new Set([...places].sort((a, b) => reach(b) - reach(a)).slice(0, SURE_ROWS));
  return [model().tasks.length, ...places.filter((place) => kept.has(place))];
}

function surePanel(name, sure, rows) {
  const told = sure.measures[name];
  const control = sure.control[name];
  const [width, step] = [300, 17];
  const labelOf = (place) => (place === model().tasks.length ? 'mean' : task(place).label);
  const side = Math.min(110, Math.max(...rows.map((place) => textWidth(labelOf(place), 11.5))) + 12);
  const frame = { left: side, right: width - 12, top: 6, bottom: 12 + step * rows.length };
  const height = frame.bottom + 22;
  const sizes = rows.flatMap((place) => [told.value[place], told.low[place], told.high[place], told.noise[place]]);
  const flip = measureSign(name) === 'negative' ? -1 : 1; // zero on the left either way, so that panels compare
  const x = axisScale([...sizes, control].map((v) => (known(v) ? flip * v : null)), frame.left, frame.right);
  const to = (value) => x.to(flip * value);
  const root = svg('svg', { class: `chart sure ${measureSign(name)}`, viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `${MEASURES[name]} with intervals; the table below holds the numbers` });
  for (const tick of x.ticks) {
    root.append(svg('line', { class: 'rule', x1: x.to(tick), x2: x.to(tick), y1: frame.top, y2: frame.bottom }),
      svg('text', { class: 'tick', x: x.to(tick), y: frame.bottom + 15, 'text-anchor': 'middle' }, plain(flip * tick || 0, x.digits)));
  }
  if (known(control)) root.append(svg('line', { class: 'control-line', x1: to(control), x2: to(control), y1: frame.top, y2: frame.bottom }, svg('title', {}, `strongest control: ${signed(control, 4)}`)));
  rows.forEach((place, i) => {
    const y = frame.top + 3 + step * (i + 0.5);
    const label = svg('text', { class: i ? 'tick' : 'tick whole', x: frame.left - 7, y, 'text-anchor': 'end', 'dominant-baseline': 'central' }, shortenMiddle(labelOf(place), side - 8, 11.5));
    root.append(label);
    if (!known(told.value[place])) return;
    const group = svg('g', { class: 'sure-row', 'data-place': place }, svg('title', {}, `${i ? task(place).name : 'mean over tasks'}: ${signed(told.value[place], 4)}; without noise ${spanText(told.debiased[place], told.low[place], told.high[place])}; noise alone ${signed(told.noise[place], 4)}`));
    if (known(told.noise[place])) group.append(svg('line', { class: 'level', x1: to(told.noise[place]), x2: to(told.noise[place]), y1: y - 6, y2: y + 6 }));
    if (known(told.low[place])) group.append(svg('line', { class: 'span', x1: to(told.low[place]), x2: to(told.high[place]), y1: y, y2: y }));
    group.append(svg('circle', { class: 'outer', cx: to(told.value[place]), cy: y, r: 4 }));
    if (known(told.debiased[place])) group.append(svg('circle', { class: 'inner', cx: to(told.debiased[place]), cy: y, r: 3 }));
    root.append(group);
  });
  return el('figure', {}, el('figcaption', {}, MEASURES[name]), root);
}

// ---- controls

function drawControls() {
  const holder = byId('controls-holder');
  if (!holder) return;
  const rows = data.controls.rows.filter((row) => row.model === state.model);
  if (!rows.length) {
    holder.replaceChildren(el('p', { class: 'none' }, 'This model has no control.'));
    return;
  }
  const whole = rows.filter((row) => row.target === null).map((row) => {
    const own = data.controls.own.find((one) => one.model === row.model && one.control === row.control);
    return el('li', {}, el('strong', {}, row.control), `: explains ${partText(row.share_explained)} of all cells; mean PGF of the finetunes ${signed(row.mean_pgf, 3)}, net ${signed(row.mean_net, 3)}`,
      own ? `; its own transferability ${signed(own.x, 3)} and ${signed(own.y, 3)}` : '');
  });
  const several = new Set(rows.map((row) => row.control)).size > 1;
  const table = sortableTable({
    caption: `Each target of ${model().label}`, id: 'controls-table',
    columns: [
      ...(several ? [{ name: 'control', text: (row) => row.control }] : []),
      { name: 'target', text: (row) => task(row.target).name },
      { name: 'PGF of the control', text: (row) => signed(row.control_pgf, 3), order: (row) => row.control_pgf },
      { name: `${share(data.confidence)} interval`, text: (row) => (known(row.low) ? `${signed(row.low)} to ${signed(row.high)}` : '–'), order: (row) => row.low },
      { name: 'mean PGF', text: (row) => signed(row.mean_pgf, 3), order: (row) => row.mean_pgf },
      { name: 'mean net', text: (row) => signed(row.mean_net, 3), order: (row) => row.mean_net },
      { name: 'share explained', text: (row) => partText(row.share_explained), order: (row) => row.share_explained, cell: (row) => shareBar(row.share_explained) },
    ],
    rows: rows.filter((row) => row.target !== null),
  });
  holder.replaceChildren(el('ul', { class: 'notes' }, whole), table,
    data.controls.cut ? el('p', { class: 'scope' }, `${data.controls.cut} more rows are in control_columns.csv.`) : '');
}

// a share that may be below zero
const partText = (value) => percent(value).replace('-', '−');

function shareBar(value) {
  const bar = el('i', { class: 'share-bar' });
  bar.style.width = `${known(value) ? Math.max(0, Math.min(1, value)) * 60 : 0}px`;
  return [bar, partText(value)];
}
