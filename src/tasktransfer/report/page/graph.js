// The transfer graph on a circle, and the share of cells it keeps.

const DRAWN = 500; // arrows beyond this many are counted, not drawn
const TIE = 2e-10; // as in analysis/graph.py, widened to what the file's digits leave of it
const LEVEL_COLOURS = { low: '#cc79a7', mid: '#e6c21a', high: '#009e73' };
let heldNode = null;

function setUpGraph() {
  const slider = byId('share');
  slider.addEventListener('input', () => { state.share = Number(slider.value); drawGraph(); });
  byId('share-reset').addEventListener('click', () => { state.share = data.share; drawGraph(); });
}

const chance = (p) => (known(p) ? `${Math.round(p * 100)}%` : '–');
const unlikely = (edge) => known(edgeChance(edge)) && edgeChance(edge) < 0.5;

// of each sign: the cells at least as large as the one at rank floor(share * n)
function edgesAt(kept) {
  const cells = { positive: [], negative: [] };
  chosen().values.forEach((value, cell) => {
    const [source, target] = [Math.floor(cell / size()), cell % size()];
    if (known(value) && signOf(value) && source !== target) cells[signOf(value)].push({ source, target, value, sign: signOf(value) });
  });
  const edges = [];
  for (const group of Object.values(cells)) {
    if (!group.length) continue;
    group.sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
    const cut = Math.abs(group[Math.min(Math.floor(kept * group.length), group.length - 1)].value);
    edges.push(...group.filter(({ value }) => Math.abs(value) >= cut - TIE));
  }
  return edges.sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
}

function drawGraph() {
  const edges = edgesAt(state.share);
  const count = (sign) => edges.filter((edge) => edge.sign === sign).length;
  byId('share').value = String(state.share);
  byId('share-told').textContent = share(state.share);
  byId('share-reset').disabled = state.share === data.share;
  byId('edges-told').textContent = `${count('positive')} positive + ${plural(count('negative'), 'negative edge')}`;
  const holder = byId('graph-holder');
  const root = circleGraph(edges, holder.clientWidth);
  holder.replaceChildren(root);
  showNode(root, heldNode, edges);
  drawGraphLegend(edges);
  byId('edges-table').replaceChildren(sortableTable({
    caption: edges.length > 400 ? `The strongest 400 of ${edges.length} arrows` : plural(edges.length, 'arrow'),
    columns: [
      { name: 'source', text: (edge) => task(edge.source).name },
      { name: 'target', text: (edge) => task(edge.target).name },
      { name: state.view === 'raw' ? 'PGF' : 'interaction', text: (edge) => signed(edge.value, 3), order: (edge) => edge.value },
      ...(edges.some((edge) => known(edgeChance(edge))) ? [{ name: 'probability', text: (edge) => chance(edgeChance(edge)), order: (edge) => edgeChance(edge) }] : []),
    ],
    rows: edges.slice(0, 400),
  }));
}

function drawGraphLegend(edges) {
  const line = (sign) => svg('svg', { width: 34, height: 10, 'aria-hidden': 'true' },
    svg('line', { x1: 1, y1: 5, x2: 33, y2: 5, stroke: SIGN_COLOURS[sign], 'stroke-width': 2.5, 'stroke-dasharray': sign === 'negative' ? '6 3' : null }));
  const levels = new Set(model().tasks.map((i) => data.tasks[i].level).filter(Boolean));
  byId('graph-legend').replaceChildren(
    el('span', { class: 'key' }, line('positive'), 'helps'),
    el('span', { class: 'key' }, line('negative'), 'harms (dashed)'),
    el('span', { class: 'key' }, 'wider is stronger'),
    edges.some((edge) => unlikely(edge)) ? el('span', { class: 'key' }, 'pale: likely not among the strongest') : '',
    ...Object.entries(LEVEL_COLOURS).filter(([level]) => levels.has(level)).map(([level, colour]) => {
      const swatch = el('i', { class: 'swatch arc' });
      swatch.style.backgroundColor = colour;
      return el('span', { class: 'key' }, swatch, `${level} level`);
    }),
    ...(edges.length > DRAWN ? [el('span', { class: 'key' }, `drawn are the strongest ${DRAWN} of ${edges.length} arrows; a task’s own are all listed`)] : []),
  );
}

// ---- drawing

function circleOrder() {
  const place = new Map(model().tasks.map((name, i) => [name, i]));
  return data.circle.filter((name) => place.has(name)).map((name) => place.get(name));
}

function circleGraph(edges, room) {
  const order = circleOrder();
  const labelSize = order.length > 100 ? 6.5 : order.length > 40 ? 8.5 : order.length > 24 ? 10 : 12.5;
  const extent = Math.max(300, Math.min(order.length > 24 ? 780 : 660, room || 660));
  const longest = Math.max(0, ...order.map((i) => textWidth(task(i).label, labelSize, 600)));
  const labelRoom = Math.min(extent * 0.22, Math.max(34, longest + 20));
  const radius = extent / 2 - labelRoom - 12;
  const spots = new Map(order.map((place, i) => {
    const angle = -Math.PI / 2 + (2 * Math.PI * (i + 0.5)) / order.length;
    return [place, { angle, x: radius * Math.cos(angle), y: radius * Math.sin(angle) }];
  }));
  const nodeRadius = order.length > 100 ? 2.5 : order.length > 40 ? 4 : 7;
  const strongest = Math.max(ZERO, ...edges.map(({ value }) => Math.abs(value)));
  // level labels read best, where those at top and bottom have room side by side
  const turned = order.length > 24 || (order.length > 8 && Math.min(longest, labelRoom) > (2 * Math.PI * radius) / order.length);
  const root = svg('svg', {
    class: 'graph', id: 'graph-svg', role: 'group', 'aria-label': 'Transfer graph; Tab moves between tasks',
    viewBox: `${-extent / 2} ${-extent / 2} ${extent} ${extent}`, width: extent, height: extent,
  });
  const lines = svg('g', { class: 'edges', fill: 'none' });
  const thin = edges.length > 200 ? 0.45 : 1;
  for (const edge of edges.slice(0, DRAWN).reverse()) {
    lines.append(arrow(edge, spots, { nodeRadius, width: thin * (0.8 + 3.4 * (Math.abs(edge.value) / strongest)) }));
  }
  root.append(levelArcs(order, radius + nodeRadius + 5), lines);
  for (const place of order) root.append(graphNode(place, spots.get(place), { nodeRadius, labelSize, labelRoom, turned, edges, root }));
  return root;
}

function levelArcs(order, radius) {
  const group = svg('g', { class: 'arcs', fill: 'none', 'stroke-width': 3, 'aria-hidden': 'true' });
  for (const [level, colour] of Object.entries(LEVEL_COLOURS)) {
    const places = order.map((place, i) => [task(place).level, i]).filter(([name]) => name === level).map(([, i]) => i);
    if (!places.length) continue;
    const angle = (i) => -Math.PI / 2 + (2 * Math.PI * i) / order.length;
    const [from, to] = [angle(places[0] + 0.08), angle(places[places.length - 1] + 0.92)];
    const point = (a) => `${radius * Math.cos(a)} ${radius * Math.sin(a)}`;
    group.append(svg('path', { d: `M ${point(from)} A ${radius} ${radius} 0 ${to - from > Math.PI ? 1 : 0} 1 ${point(to)}`, stroke: colour },
      svg('title', {}, `${level} level`)));
  }
  return group;
}

function arrow({ source, target, value, sign }, spots, { nodeRadius, width }) {
  const [from, to] = [spots.get(source), spots.get(target)];
  // pulled to the middle and to the right of its way, so that there and back are two curves
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = Math.hypot(dx, dy) || 1;
  const pull = 0.38 - 0.2 * Math.min(1, length / (2.8 * Math.hypot(from.x, from.y)) * 2);
  const [cx, cy] = [(from.x + to.x) * pull - (dy / length) * 12, (from.y + to.y) * pull + (dx / length) * 12];
  const back = Math.hypot(to.x - cx, to.y - cy) || 1;
  const [ux, uy] = [(to.x - cx) / back, (to.y - cy) / back];
  const head = 5 + width * 1.5;
  const tip = { x: to.x - ux * (nodeRadius + 1.5), y: to.y - uy * (nodeRadius + 1.5) };
  const neck = { x: tip.x - ux * head * 0.8, y: tip.y - uy * head * 0.8 };
  const side = head * 0.42;
  const dim = state.clique && !(inClique(source) && inClique(target));
  return svg('g', { class: `edge ${sign}${dim ? ' dim' : ''}${unlikely({ source, target }) ? ' unlikely' : ''}`, 'data-s': source, 'data-t': target, stroke: SIGN_COLOURS[sign] },
    svg('title', {}, `${task(source).label} → ${task(target).label}: ${signed(value, 3)}${known(edgeChance({ source, target })) ? `, among the strongest with probability ${chance(edgeChance({ source, target }))}` : ''}`),
    svg('path', { d: `M ${from.x} ${from.y} Q ${cx} ${cy} ${neck.x} ${neck.y}`, 'stroke-width': width.toFixed(2), 'stroke-dasharray': sign === 'negative' ? '6 3' : null }),
    svg('path', {
      class: 'head', fill: SIGN_COLOURS[sign], stroke: 'none',
      d: `M ${tip.x} ${tip.y} L ${tip.x - ux * head - uy * side} ${tip.y - uy * head + ux * side} L ${tip.x - ux * head + uy * side} ${tip.y - uy * head - ux * side} Z`,
    }));
}

function graphNode(place, spot, look) {
  const { nodeRadius, labelSize, labelRoom, turned, edges, root } = look;
  const degree = (end) => edges.filter((edge) => edge[end] === place).length;
  const left = Math.cos(spot.angle) < -1e-9;
  const turn = (spot.angle * 180) / Math.PI + (left ? 180 : 0);
  const reach = nodeRadius + 13;
  const [x, y] = [spot.x + reach * Math.cos(spot.angle), spot.y + reach * Math.sin(spot.angle)];
  const anchor = Math.abs(Math.cos(spot.angle)) < 0.2 && !turned ? 'middle' : left ? 'end' : 'start';
  const label = svg('text', {
    x, y, 'text-anchor': anchor, 'dominant-baseline': 'central', transform: turned ? `rotate(${turn} ${x} ${y})` : null,
  }, shorten(task(place).label, labelRoom - 16, labelSize, 600));
  label.style.fontSize = `${labelSize}px`; // an attribute would lose against the sheet
  const node = svg('g', {
    class: `node${state.clique && !inClique(place) ? ' dim' : ''}${state.clique && inClique(place) ? ' marked' : ''}`,
    tabindex: 0, role: 'button', 'data-place': place,
    'aria-label': `${task(place).name}: ${plural(degree('source'), 'arrow')} out, ${degree('target')} in`,
  },
  svg('title', {}, task(place).name),
  svg('circle', { cx: spot.x, cy: spot.y, r: nodeRadius }), label);
  const show = () => showNode(root, place, edges);
  const hide = () => showNode(root, heldNode, edges);
  for (const event of ['mouseenter', 'focus']) node.addEventListener(event, show);
  for (const event of ['mouseleave', 'blur']) node.addEventListener(event, hide);
  const hold = () => { heldNode = heldNode === place ? null : place; showNode(root, heldNode, edges); };
  node.addEventListener('click', hold);
  node.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' && event.key !== ' ') return;
    event.preventDefault();
    hold();
  });
  return node;
}

function showNode(root, place, edges) {
  root.classList.toggle('focusing', place !== null);
  for (const edge of root.querySelectorAll('.edge')) {
    edge.classList.toggle('on', place !== null && (+edge.dataset.s === place || +edge.dataset.t === place));
  }
  const near = new Set([place]);
  for (const { source, target } of edges) {
    if (source === place) near.add(target);
    if (target === place) near.add(source);
  }
  for (const node of root.querySelectorAll('.node')) {
    node.classList.toggle('on', near.has(+node.dataset.place));
    node.setAttribute('aria-pressed', String(heldNode === +node.dataset.place));
  }
  describeNode(place, edges);
}

function describeNode(place, edges) {
  const panel = byId('node');
  if (place === null) {
    panel.replaceChildren(el('p', { class: 'hint' }, 'Point at a task, or reach it with Tab, to see its arrows alone; click or press Enter to hold it.'));
    return;
  }
  const part = (title, mine, other, sign) => {
    const list = edges.filter((edge) => edge[mine] === place && edge.sign === sign);
    if (!list.length) return null;
    const shown = list.slice(0, 12).map((edge) => el('li', {}, `${task(edge[other]).label} ${signed(edge.value)}${known(edgeChance(edge)) ? ` (${chance(edgeChance(edge))})` : ''}`));
    if (list.length > 12) shown.push(el('li', {}, `and ${list.length - 12} more`));
    return [el('dt', {}, title), el('dd', {}, el('ul', { class: 'plain-list' }, shown))];
  };
  const parts = [
    part('helps', 'source', 'target', 'positive'), part('harms', 'source', 'target', 'negative'),
    part('is helped by', 'target', 'source', 'positive'), part('is harmed by', 'target', 'source', 'negative'),
  ].filter(Boolean);
  panel.replaceChildren(
    el('h3', {}, task(place).name),
    parts.length ? el('dl', { class: 'stacked' }, parts) : el('p', { class: 'hint' }, 'No arrow of this task is strong enough at this share.'),
  );
}
