// Charts over all models: taxonomy bars, scale trend, variance shares; and ranks under each ceiling.

const MEASURES = {
  transferability_pos: 'transferability +', transferability_neg: 'transferability −',
  malleability_pos: 'malleability +', malleability_neg: 'malleability −',
};
const measureSign = (measure) => (measure.endsWith('_pos') ? 'positive' : 'negative');

// shades of one hue, darker for later models
function modelShade(measure, position) {
  const [light, dark] = measureSign(measure) === 'positive' ? [[163, 205, 233], [0, 72, 118]] : [[246, 196, 158], [150, 58, 0]];
  const part = data.models.length > 1 ? position / (data.models.length - 1) : 0.6;
  return css(light.map((channel, i) => Math.round(channel + part * (dark[i] - channel))));
}

const shadeKey = (measure) => el('span', { class: 'key' }, data.models.map((one, i) => {
  const swatch = el('i', { class: 'swatch' });
  swatch.style.backgroundColor = modelShade(measure, i);
  return el('span', { class: 'key' }, swatch, one.label);
}));

// ---- taxonomy

function drawTaxonomy() {
  const holder = byId('taxonomy-holder');
  if (!data.taxonomy.length) {
    holder.replaceChildren(el('p', { class: 'none' }, 'No task here has a registered level or granularity.'));
    return;
  }
  const kinds = [...new Set(data.taxonomy.map((row) => row.by))];
  const parts = kinds.map((by) => [
    el('h3', {}, by === 'level' ? 'By perceptual level' : 'By granularity of the answer'),
    el('div', { class: 'panels' }, Object.keys(MEASURES).map((measure) => taxonomyPanel(by, measure))),
  ]);
  const shades = data.models.length > 1 ? [shadeKey('transferability_pos'), shadeKey('transferability_neg')] : [];
  const keys = el('p', { class: 'legend' }, shades, lineKeys());
  const numbers = el('details', {}, el('summary', {}, 'The averages as a table'), sortableTable({
    caption: 'Averages by level and granularity',
    columns: [
      { name: 'model', text: (row) => data.models[row.model].label },
      { name: 'by', text: (row) => row.by }, { name: 'group', text: (row) => row.group },
      { name: 'sources', text: (row) => String(row.n_sources), order: (row) => row.n_sources },
      { name: 'targets', text: (row) => String(row.n_targets), order: (row) => row.n_targets },
      ...AGGREGATES.map((name) => ({ name: MEASURES[name], text: (row) => signed(row[name], 4), order: (row) => row[name] })),
    ],
    rows: data.taxonomy,
  }));
  holder.replaceChildren(...(keys.childNodes.length ? [keys] : []), ...parts.flat(), numbers);
}

function taxonomyPanel(by, measure) {
  const count = measure.startsWith('transferability') ? 'n_sources' : 'n_targets';
  const rows = data.taxonomy.filter((row) => row.by === by);
  const groups = [...new Set(rows.map((row) => row.group))];
  const [width, height] = [264, 190];
  const frame = { left: 44, right: width - 6, top: 10, bottom: height - 34 };
  const size_ = (row) => (known(row[measure]) ? Math.abs(row[measure]) : null);
  const y = axisScale(data.taxonomy.flatMap((row) => [row[measure], row[`noise_${measure}`], controlOf(row.model, measure)]).map((v) => (known(v) ? Math.abs(v) : null)), frame.bottom, frame.top);
  const root = svg('svg', { class: 'chart', viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `${MEASURES[measure]} by ${by}` });
  root.append(axes(frame, null, y, '', ''));
  const band = (frame.right - frame.left) / groups.length;
  const bar = Math.min(30, (band * 0.78) / data.models.length);
  groups.forEach((group, g) => {
    const middle = frame.left + band * (g + 0.5);
    const here = rows.filter((row) => row.group === group);
    for (const row of here) {
      if (!known(size_(row))) continue;
      const left = middle + (row.model - data.models.length / 2) * bar;
      const top = y.to(size_(row));
      root.append(svg('rect', { class: 'column', x: left + 0.5, y: top, width: bar - 1, height: Math.max(0, frame.bottom - top), fill: modelShade(measure, row.model) },
        svg('title', {}, `${data.models[row.model].label}, ${group}: ${signed(row[measure], 4)} over ${plural(row[count], 'task')}`)));
    }
    for (const row of here) {
      const noise = row[`noise_${measure}`];
      if (known(noise)) root.append(levelMark('noise-line', noise, [middle + (row.model - data.models.length / 2) * bar, bar], y, `noise alone, ${data.models[row.model].label}, ${group}`));
      const control = controlOf(row.model, measure);
      if (known(control)) root.append(levelMark('control-line', control, [middle + (row.model - data.models.length / 2) * bar, bar], y, `strongest control, ${data.models[row.model].label}`));
    }
    const counts = [...new Set(here.map((row) => row[count]))];
    root.append(svg('text', { class: 'tick', x: middle, y: frame.bottom + 16, 'text-anchor': 'middle' }, group),
      svg('text', { class: 'tick faint', x: middle, y: frame.bottom + 30, 'text-anchor': 'middle' }, `(${counts.length > 1 ? `${Math.min(...counts)}–${Math.max(...counts)}` : counts[0]})`));
  });
  root.append(svg('line', { class: 'base', x1: frame.left, x2: frame.right, y1: frame.bottom, y2: frame.bottom }));
  const title = measureSign(measure) === 'positive' ? MEASURES[measure] : `${MEASURES[measure]} (size)`;
  return el('figure', {}, el('figcaption', {}, title), root);
}

const controlOf = (position, measure) => (data.certainty[position] ? data.certainty[position].control[measure] : null);

function levelMark(kind, value, [left, width], y, told) {
  const spot = y.to(Math.abs(value));
  const line = (name) => svg('line', { class: name, x1: left + 0.5, x2: left + width - 0.5, y1: spot, y2: spot });
  return svg('g', {}, svg('title', {}, `${told}: ${signed(value, 4)}`), line('under'), line(kind));
}

// legend of the lines that stand in charts over all models
function lineKeys() {
  const line = (kind) => svg('svg', { width: 26, height: 10, 'aria-hidden': 'true' }, svg('line', { class: kind, x1: 1, y1: 5, x2: 25, y2: 5 }));
  const sure = data.certainty.filter(Boolean);
  return [
    sure.length && el('span', { class: 'key' }, line('noise-line'), 'noise alone'),
    sure.some((one) => AGGREGATES.some((name) => known(one.control[name]))) && el('span', { class: 'key' }, line('control-line'), 'strongest control'),
  ].filter(Boolean);
}

// ---- scale

function drawScale() {
  const holder = byId('scale-holder');
  if (data.models.length < 2) {
    holder.replaceChildren(el('p', { class: 'none' }, 'One model: there is no trend to show. Give the models in size order to see one.'));
    return;
  }
  holder.replaceChildren(...Object.keys(MEASURES).map(scalePanel));
  const keys = lineKeys();
  if (data.certainty.some(Boolean)) keys.push(el('span', { class: 'key' }, 'grey bars: intervals without noise'));
  byId('scale-note').replaceChildren(el('p', { class: 'legend' }, keys), el('details', {}, el('summary', {}, 'Means and steps as a table'), sortableTable({
    caption: 'Mean over tasks, and the step from the model before over the tasks both have',
    columns: [
      { name: 'measure', text: (row) => MEASURES[row.measure] },
      { name: 'model', text: (row) => data.models[row.model].label, order: (row) => row.model, words: true },
      { name: 'tasks', text: (row) => String(row.n_tasks), order: (row) => row.n_tasks },
      { name: 'mean', text: (row) => signed(row.mean, 4), order: (row) => row.mean },
      { name: 'without noise', text: (row) => spanText(row.debiased, row.low, row.high), order: (row) => row.debiased },
      { name: 'noise alone', text: (row) => signed(row.noise_level, 4), order: (row) => row.noise_level },
      { name: 'step', text: (row) => signed(row.step, 4), order: (row) => row.step },
      { name: 'step without noise', text: (row) => spanText(row.step_debiased, row.step_low, row.step_high), order: (row) => row.step_debiased },
      { name: 'p', text: (row) => pText(row.p_value) || '–', order: (row) => row.p_value },
    ],
    rows: data.scale.means,
  })));
}

const spanText = (value, low, high) => (known(value) ? `${signed(value, 4)} (${signed(low, 4)} to ${signed(high, 4)})` : '–');

const pText = (p) => (known(p) ? (p < 0.0005 ? 'p < 0.0005' : `p = ${+p.toPrecision(2)}`) : '');

function scalePanel(measure) {
  const lines = data.scale.lines[measure];
  const means = data.scale.means.filter((row) => row.measure === measure);
  const [width, height] = [264, 250];
  const frame = { left: 48, right: width - 20, top: 26, bottom: height - 26 };
  const y = axisScale([...lines.flat(), ...means.flatMap((row) => [row.low, row.high, row.noise_level, controlOf(row.model, measure)])], frame.bottom, frame.top, 0.06);
  const x = (i) => frame.left + 12 + ((frame.right - frame.left - 24) * i) / (data.models.length - 1);
  const root = svg('svg', { class: 'chart', viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `${MEASURES[measure]} over models; the table below holds the numbers` });
  root.append(axes(frame, null, y, '', ''));
  data.tasks.forEach((facts, i) => {
    const d = brokenLine(lines.map((values) => values[i]), x, y);
    if (d) root.append(svg('path', { class: 'task-line', d, opacity: data.tasks.length > 40 ? 0.4 : null }, svg('title', {}, facts.name)));
  });
  const colour = SIGN_COLOURS[measureSign(measure)];
  means.forEach((row, i) => {
    if (known(row.low)) root.append(svg('line', { class: 'interval', x1: x(i), x2: x(i), y1: y.to(row.low), y2: y.to(row.high) }, svg('title', {}, `without noise ${spanText(row.debiased, row.low, row.high)}`)));
  });
  root.append(svg('path', { class: 'noise-line', d: brokenLine(means.map((row) => row.noise_level), x, y) }));
  root.append(svg('path', { class: 'control-line', d: brokenLine(means.map((row) => controlOf(row.model, measure)), x, y) }));
  root.append(svg('path', { class: 'mean-line', d: brokenLine(means.map((row) => row.mean), x, y), stroke: colour }));
  const room = (frame.right - frame.left) / data.models.length;
  means.forEach((row, i) => {
    if (known(row.mean)) {
      root.append(svg('circle', { cx: x(i), cy: y.to(row.mean), r: 4, fill: colour },
        svg('title', {}, `${data.models[i].label}: mean ${signed(row.mean, 4)} over ${plural(row.n_tasks, 'task')}`)));
    }
    root.append(svg('text', { class: 'tick', x: x(i), y: height - 8, 'text-anchor': 'middle' }, shorten(data.models[i].label, room, 11.5)));
    if (i && data.models.length <= 4) root.append(svg('text', { class: 'tick faint', x: (x(i) + x(i - 1)) / 2, y: 14, 'text-anchor': 'middle' }, pText(row.p_value)));
  });
  return el('figure', {}, el('figcaption', {}, MEASURES[measure]), root);
}

function brokenLine(values, x, y) {
  let pen = 'M';
  return values.map((value, i) => {
    if (!known(value)) { pen = 'M'; return ''; }
    const part = `${pen} ${x(i).toFixed(1)} ${y.to(value).toFixed(1)}`;
    pen = 'L';
    return part;
  }).join(' ').trim();
}

// ---- variance

const COMPONENTS = { target: ['#3b4a5e', '#fff'], source: ['#a9b4c2', '#111'], interaction: ['#e6c21a', '#111'] };

function drawDecomposition() {
  const rows = data.models.map((one, i) => ({ one, parts: data.decomposition.filter((row) => row.model === i) }));
  const bar = ({ one, parts }) => {
    const noise = parts.find((part) => part.component === 'noise');
    const shown = parts.filter((part) => part !== noise);
    const defined = shown.every((part) => known(part.share));
    const segments = shown.map(({ component, share: part }) => {
      const segment = el('span', { class: 'segment', title: `${component}: ${percent(part)}` }, part >= 0.07 ? percent(part) : '');
      segment.style.width = `${part * 100}%`;
      if (component === 'interaction' && noise && known(noise.share) && part > 0) {
        const line = el('i', { class: 'noise-part' });
        line.style.width = `${Math.min(1, noise.share / part) * 100}%`;
        segment.title += `, of which noise alone would leave ${percent(Math.min(noise.share, part))}`;
        segment.append(line);
      }
      [segment.style.backgroundColor, segment.style.color] = COMPONENTS[component];
      return segment;
    });
    return el('div', { class: 'stack-row' }, el('span', { class: 'stack-name', title: one.name }, one.label),
      defined ? el('div', { class: 'stack' }, segments) : el('span', { class: 'none' }, known(shown[0].share) ? 'too few cells: effects of targets and sources alone fit them whatever they are' : 'the cells do not vary, or there are none'));
  };
  const keys = Object.entries(COMPONENTS).map(([name, [colour]]) => {
    const swatch = el('i', { class: 'swatch' });
    swatch.style.backgroundColor = colour;
    return el('span', { class: 'key' }, swatch, name);
  });
  if (data.decomposition.some((row) => row.component === 'noise' && known(row.share))) keys.push(el('span', { class: 'key' }, el('i', { class: 'swatch noise-part' }), 'noise in it'));
  byId('decomposition-holder').replaceChildren(el('p', { class: 'legend' }, keys), el('div', { class: 'stacks' }, rows.map(bar)),
    sortableTable({
      caption: 'Sequential sums of squares, target first; noise is a part of the interaction',
      columns: [
        { name: 'model', text: (row) => data.models[row.model].label, order: (row) => row.model, words: true },
        { name: 'component', text: (row) => row.component },
        { name: 'share', text: (row) => percent(row.share), order: (row) => row.share },
        { name: 'sum of squares', text: (row) => plain(row.sum_of_squares, 4), order: (row) => row.sum_of_squares },
        { name: 'degrees of freedom', text: (row) => String(row.df), order: (row) => row.df },
      ],
      rows: data.decomposition.filter((row) => row.component !== 'noise' || known(row.share)),
    }));
}

// ---- ceilings

function drawCeilings() {
  const columns = data.ceilingRanks[state.model];
  const holder = byId('ceilings-holder');
  if (columns.length < 2) return;
  const places = model().sources.filter((place) => columns.some((column) => known(column.rank[place])));
  const table = sortableTable({
    caption: 'Transferability + (rank) and labels of each task under each ceiling',
    columns: [
      { name: 'task', text: (place) => task(place).name },
      ...columns.map((column) => ({ name: column.ceiling, text: (place) => (known(column.rank[place]) ? `${plain(column.value[place], 4)} (${column.rank[place]})` : '–'), order: (place) => column.value[place] })),
      ...columns.map((column) => ({ name: `labels, ${column.ceiling}`, text: (place) => column.personas[place].replaceAll(';', ', ') || '–' })),
    ],
    rows: places,
  });
  const drawn = places.length && places.length <= 30 ? rankChart(columns, places) : null;
  holder.replaceChildren(...[drawn, drawn ? el('details', {}, el('summary', {}, 'Ranks and labels as a table'), table) : table].filter(Boolean));
}

function rankChart(columns, places) {
  const side = Math.min(150, Math.max(34, ...places.map((place) => textWidth(task(place).label, 12) + 34)));
  const step = 21;
  const width = Math.max(300, Math.min(720, byId('ceilings-holder').clientWidth || 640));
  const height = 40 + step * places.length;
  const x = (i) => side + ((width - 2 * side) * i) / (columns.length - 1);
  const root = svg('svg', { class: 'chart ranks', viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', 'aria-label': 'Ranks of the sources under each ceiling; the table below holds the numbers' });
  // ties share a rank; their lines stand side by side
  const slots = columns.map((column) => new Map([...places].sort((a, b) => (column.rank[a] ?? 1e9) - (column.rank[b] ?? 1e9) || a - b).map((place, i) => [place, i])));
  const y = (i, place) => 40 + step * slots[i].get(place);
  columns.forEach((column, i) => root.append(svg('text', { class: 'axis-name', x: x(i), y: 16, 'text-anchor': 'middle' }, shorten(column.ceiling, 140, 12))));
  for (const place of places) {
    const moved = Math.max(...slots.map((slot) => slot.get(place))) - Math.min(...slots.map((slot) => slot.get(place)));
    const line = svg('g', { class: `rank-line${moved >= 3 ? ' moved' : ''}` }, svg('title', {}, `${task(place).name}: ${columns.map((column) => `${column.ceiling} ${column.rank[place] ?? '–'}`).join(', ')}`),
      svg('path', { d: columns.map((_, i) => `${i ? 'L' : 'M'} ${x(i)} ${y(i, place)}`).join(' ') }));
    columns.forEach((_, i) => line.append(svg('circle', { cx: x(i), cy: y(i, place), r: 4 })));
    const end = (i, anchor, dx) => svg('text', { x: x(i) + dx, y: y(i, place), 'text-anchor': anchor, 'dominant-baseline': 'central' },
      anchor === 'end' ? `${shorten(task(place).label, side - 34, 12)}  ${columns[i].rank[place] ?? '–'}` : `${columns[i].rank[place] ?? '–'}  ${shorten(task(place).label, side - 34, 12)}`);
    line.append(end(0, 'end', -9), end(columns.length - 1, 'start', 9));
    root.append(line);
  }
  return root;
}
