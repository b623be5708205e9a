// The persona planes: what a task gives or takes against what it does harm or suffers, with the means drawn.

const LABELLED = 40; // above this many tasks only those far from the means are labelled

function drawPlanes() {
  const { aggregates, means, personas } = chosen();
  const sure = certain();
  const levels = (name) => (sure ? sure.measures[name].noise.at(-1) : null);
  const plane = (kind, across, up) => ({
    across, up, x: aggregates[`${kind}_pos`], y: aggregates[`${kind}_neg`].map((v) => (known(v) ? -v : null)),
    meanX: means[`${kind}_pos`], meanY: known(means[`${kind}_neg`]) ? -means[`${kind}_neg`] : null,
    labels: personas.map((text) => text.split(';')), kind,
    noise: known(levels(`${kind}_pos`)) && known(levels(`${kind}_neg`)) ? [levels(`${kind}_pos`), -levels(`${kind}_neg`)] : null,
    controls: kind === 'transferability' && isAnalysed() ? data.controls.own.filter((own) => own.model === state.model).map((own) => ({ ...own, y: -own.y })) : [],
    chances: sure && sure.labels,
  });
  drawPlane(byId('plane-source'), plane('transferability', 'donor', 'pirate'));
  drawPlane(byId('plane-target'), plane('malleability', 'sponge', 'sieve'));
  const mark = (kind, text) => el('span', { class: 'key' }, svg('svg', { width: 16, height: 16, viewBox: '-8 -8 16 16', 'aria-hidden': 'true' }, planePoint(0, 0, kind)), text);
  byId('plane-legend').replaceChildren(el('p', { class: 'legend' },
    mark('gain', 'donor or sponge'), mark('harm', 'pirate or sieve'), mark('both', 'both'), mark('', 'neither'),
    sure && el('span', { class: 'key' }, el('i', { class: 'swatch noise-box' }), 'noise alone'),
    isAnalysed() && data.controls.own.some((own) => own.model === state.model) && mark('control', 'control')));
  byId('personas-table').replaceChildren(sortableTable({
    caption: 'Aggregates and labels of the tasks shown',
    columns: [
      { name: 'task', text: ({ place }) => task(place).name },
      ...AGGREGATES.map((name) => ({
        name: name.replace('_pos', ' +').replace('_neg', ' −'), text: ({ place }) => signed(aggregates[name][place], 4), order: ({ place }) => aggregates[name][place],
      })),
      { name: 'labels', text: ({ place }) => personas[place].replaceAll(';', ', ') || '–' },
      ...(sure ? [
        ...Object.keys(sure.labels).map((name) => ({ name: `p ${name}`, text: ({ place }) => chance(sure.labels[name][place]), order: ({ place }) => sure.labels[name][place] })),
        { name: 'rank as source', text: ({ place }) => rankText(sure.ranks, place), order: ({ place }) => sure.ranks.rank[place] },
      ] : []),
    ],
    rows: personas.map((_, place) => ({ place })),
  }));
}

// 1 helps most; the interval in brackets
function rankText({ rank, rank_low: low, rank_high: high }, place) {
  return known(rank[place]) ? `${rank[place]}${known(low[place]) ? ` (${low[place]}–${high[place]})` : ''}` : '–';
}

function planePoint(x, y, kind) {
  if (kind === 'control') return svg('path', { class: 'control-mark', d: `M ${x - 5} ${y - 5} L ${x + 5} ${y + 5} M ${x - 5} ${y + 5} L ${x + 5} ${y - 5}` });
  if (kind === 'both') return svg('path', { class: 'point both', d: `M ${x} ${y - 6} L ${x + 6} ${y} L ${x} ${y + 6} L ${x - 6} ${y} Z` });
  if (kind === 'harm') return svg('rect', { class: 'point harm', x: x - 4.5, y: y - 4.5, width: 9, height: 9 });
  return svg('circle', { class: `point ${kind}`, cx: x, cy: y, r: 5 });
}

function drawPlane(holder, plane) {
  const places = plane.x.map((_, i) => i).filter((i) => known(plane.x[i]) && known(plane.y[i]));
  if (!places.length) {
    holder.replaceChildren(el('p', { class: 'none' }, 'No defined cell: nothing to place.'));
    return;
  }
  const width = Math.max(280, Math.min(520, holder.clientWidth || 440));
  const height = Math.round(width * 0.86);
  const frame = { left: 58, right: width - 14, top: 26, bottom: height - 46 };
  const x = axisScale([...places.map((i) => plane.x[i]), ...plane.controls.map((own) => own.x), ...(plane.noise ? [plane.noise[0]] : [])], frame.left, frame.right, 0.12);
  const y = axisScale([...places.map((i) => plane.y[i]), ...plane.controls.map((own) => own.y), ...(plane.noise ? [plane.noise[1]] : [])], frame.bottom, frame.top, 0.12);
  const root = svg('svg', { class: 'chart plane', viewBox: `0 0 ${width} ${height}`, width, height, role: 'img',
    'aria-label': `${plane.kind}: positive across, size of the negative upward; the table below holds the numbers` });
  root.append(axes(frame, x, y, `${plane.kind} +`, `size of ${plane.kind} −`));
  if (plane.noise) {
    const [right, up] = [x.to(plane.noise[0]), y.to(plane.noise[1])];
    root.append(svg('rect', { class: 'noise-box', x: x.to(0), y: up, width: Math.max(0, right - x.to(0)), height: Math.max(0, y.to(0) - up) },
      svg('title', {}, `noise alone gives the mean task +${plain(plane.noise[0], 4)} and −${plain(plane.noise[1], 4)}`)));
  }
  const taken = plane.controls.map((own) => ({ x: x.to(own.x) - 6, y: y.to(own.y) - 6, w: 12, h: 12 }));
  for (const [value, line, end] of [[plane.meanX, x, 'x'], [plane.meanY, y, 'y']]) {
    if (!known(value)) continue;
    const spot = line.to(value);
    taken.push(end === 'x' ? { x: spot - 1, y: frame.top, w: 2, h: frame.bottom - frame.top } : { x: frame.left, y: spot - 1, w: frame.right - frame.left, h: 2 });
    root.append(svg('line', { class: 'mean', ...(end === 'x'
      ? { x1: spot, x2: spot, y1: frame.top, y2: frame.bottom } : { x1: frame.left, x2: frame.right, y1: spot, y2: spot }) }));
  }
  const corner = (text, tx, ty, anchor) => {
    const span = textWidth(text, 12) + 4;
    taken.push({ x: anchor === 'end' ? tx - span : tx, y: ty - 11, w: span, h: 15 });
    root.append(svg('text', { class: 'region', x: tx, y: ty, 'text-anchor': anchor }, text));
  };
  corner(`${plane.across} →`, frame.right, frame.top - 10, 'end');
  corner(`↑ ${plane.up}`, frame.left + 4, frame.top - 10, 'start');
  const points = places.map((i) => ({ i, x: x.to(plane.x[i]), y: y.to(plane.y[i]), far: farness(plane, i) }));
  for (const point of points) taken.push({ x: point.x - 6, y: point.y - 6, w: 12, h: 12 });
  const marks = svg('g');
  for (const point of points) marks.append(placedPoint(plane, point));
  for (const own of plane.controls) {
    const mark = planePoint(x.to(own.x), y.to(own.y), 'control');
    mark.append(svg('title', {}, `control ${own.control}: +${plain(own.x, 4)} and −${plain(own.y, 4)}`));
    marks.append(mark);
  }
  root.append(placedLabels(points, taken, frame), marks);
  const left = places.length - LABELLED;
  holder.replaceChildren(root, left > 0 ? el('p', { class: 'scope' }, `The ${LABELLED} tasks farthest from the means are labelled; point at the others.`) : '');
}

function placedPoint(plane, { i, x, y }) {
  const [gains, harms] = [plane.labels[i].includes(plane.across), plane.labels[i].includes(plane.up)];
  const point = planePoint(x, y, gains && harms ? 'both' : gains ? 'gain' : harms ? 'harm' : '');
  const held = plane.labels[i].filter(Boolean).join(', ') || 'no label';
  const told = plane.chances ? `${held}; probability ${[plane.across, plane.up].map((name) => `${name} ${chance(plane.chances[name][i])}`).join(', ')}` : held;
  point.append(svg('title', {}, `${task(i).name}: +${plain(plane.x[i], 4)} and −${plain(plane.y[i], 4)}; ${told}`));
  point.dataset.place = i;
  return point;
}

function farness(plane, i) {
  const spread = (values) => Math.max(ZERO, ...values.filter(known)) - Math.min(...values.filter(known)) || 1;
  return Math.hypot((plane.x[i] - (plane.meanX || 0)) / spread(plane.x), (plane.y[i] - (plane.meanY || 0)) / spread(plane.y));
}

// a place for each label that covers no point and no other label, near first; a far one gets a line to its point
function placedLabels(points, taken, frame) {
  const group = svg('g', { class: 'labels' });
  const ordered = [...points].sort((a, b) => b.far - a.far).slice(0, LABELLED);
  for (const point of ordered) {
    const text = shorten(task(point.i).label, 110, 11.5);
    const w = textWidth(text, 11.5) + 2;
    const spot = freeSpot(point, w, taken, frame);
    if (!spot) continue;
    taken.push(spot);
    if (spot.reach > 14) group.append(svg('line', { class: 'leader', x1: point.x, y1: point.y, x2: spot.x + w / 2, y2: spot.y + 7 }));
    group.append(svg('text', { class: 'label', x: spot.x + 1, y: spot.y + 11 }, text));
  }
  return group;
}

function freeSpot(point, w, taken, frame) {
  const h = 14;
  const hits = (a, b) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
  for (const reach of [9, 13, 20, 28, 38, 50, 64]) {
    for (let turn = 0; turn < 16; turn += 1) {
      const angle = (turn % 2 ? -1 : 1) * Math.ceil(turn / 2) * (Math.PI / 8);
      const [cx, cy] = [point.x + Math.cos(angle) * (reach + w / 2), point.y - Math.sin(angle) * (reach + h / 2)];
      const box = { x: cx - w / 2, y: cy - h / 2, w, h, reach };
      const inside = box.x >= frame.left + 2 && box.x + w <= frame.right + 12 && box.y >= frame.top - 8 && box.y + h <= frame.bottom - 1;
      if (inside && !taken.some((other) => hits(box, other))) return box;
    }
  }
  return null;
}

// ---- axes

function niceStep(span, count) {
  const rough = span / count;
  const unit = 10 ** Math.floor(Math.log10(rough));
  return unit * [1, 2, 2.5, 5, 10].find((part) => part * unit >= rough * 0.999);
}

// from zero, with room beyond the largest value
function axisScale(values, from, to, room = 0.05, floor = 0) {
  const top = Math.max(0, ...values.filter(known));
  const bottom = Math.min(floor, ...values.filter(known));
  const span = (top - bottom) * (1 + room) || 1;
  const step = niceStep(span, 4);
  const low = bottom < 0 ? bottom - (top - bottom) * room : bottom;
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= low + span + 1e-12; k += 1) ticks.push(k * step);
  const end = bottom < 0 ? Math.max(top + (top - bottom) * room, ZERO) : low + span;
  return { ticks: ticks.filter((tick) => tick <= end + 1e-12), digits: Math.max(0, Math.min(6, -Math.floor(Math.log10(step) + 1e-9) + (String(+(step / 10 ** Math.floor(Math.log10(step))).toFixed(3)) === '2.5' ? 1 : 0))),
    to: (value) => from + ((value - low) / (end - low)) * (to - from) };
}

function axes(frame, x, y, nameX, nameY) {
  const group = svg('g', { class: 'axes' });
  for (const tick of y.ticks) {
    const spot = y.to(tick);
    group.append(svg('line', { class: 'rule', x1: frame.left, x2: frame.right, y1: spot, y2: spot }),
      svg('text', { x: frame.left - 7, y: spot, 'text-anchor': 'end', 'dominant-baseline': 'central' }, plain(tick, y.digits)));
  }
  if (x) {
    for (const tick of x.ticks) {
      group.append(svg('line', { class: 'rule', x1: x.to(tick), x2: x.to(tick), y1: frame.top, y2: frame.bottom }),
        svg('text', { x: x.to(tick), y: frame.bottom + 16, 'text-anchor': 'middle' }, plain(tick, x.digits)));
    }
    group.append(svg('text', { class: 'axis-name', x: (frame.left + frame.right) / 2, y: frame.bottom + 36, 'text-anchor': 'middle' }, nameX));
  }
  if (nameY) {
    const middle = (frame.top + frame.bottom) / 2;
    group.append(svg('text', { class: 'axis-name', x: 13, y: middle, 'text-anchor': 'middle', transform: `rotate(-90 13 ${middle})` }, nameY));
  }
  return group;
}
