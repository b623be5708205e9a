// Words for the aggregates, and the ranks of the sources under each ceiling.

const MEASURES = {
  transferability_pos: 'transferability +', transferability_neg: 'transferability −',
  malleability_pos: 'malleability +', malleability_neg: 'malleability −',
};
const measureSign = (measure) => (measure.endsWith('_pos') ? 'positive' : 'negative');

const spanText = (value, low, high) => (known(value) ? `${signed(value, 4)} (${signed(low, 4)} to ${signed(high, 4)})` : '–');

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
