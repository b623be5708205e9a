// Tables one can sort, the list of cliques, and the diagnostics with their filters.

// columns: {name, text(row), order(row)?, cell(row)?, words?}; numbers sort as numbers, holes last either way
function sortableTable({ caption, columns, rows, id }) {
  let by = null;
  const body = el('tbody');
  const heads = columns.map((column, i) => el('th', { scope: 'col', 'aria-sort': 'none', class: column.order && !column.words ? 'number' : null },
    el('button', { type: 'button', on: { click: () => sort(i) } }, column.name)));
  const draw = (list) => body.replaceChildren(...list.map((row) => el('tr', {},
    columns.map((column) => el('td', { class: column.order && !column.words ? 'number' : null }, column.cell ? column.cell(row) : column.text(row))))));
  function sort(i) {
    by = by && by.i === i ? { i, down: !by.down } : { i, down: Boolean(columns[i].order) };
    heads.forEach((head, k) => head.setAttribute('aria-sort', k === i ? (by.down ? 'descending' : 'ascending') : 'none'));
    const value = columns[i].order || columns[i].text;
    draw([...rows].sort((a, b) => compare(value(a), value(b), by.down)));
  }
  draw(rows);
  return el('div', { class: 'scroller tall', tabindex: 0, role: 'region', 'aria-label': caption },
    el('table', { class: 'plain sortable', id }, el('caption', {}, caption), el('thead', {}, el('tr', {}, heads)), body));
}

function compare(a, b, down) {
  if (!known(a) || !known(b)) return known(a) ? -1 : known(b) ? 1 : 0;
  const order = typeof a === 'number' ? a - b : a < b ? -1 : a > b ? 1 : 0;
  return down ? -order : order;
}

// ---- cliques

function drawCliques() {
  for (const sign of ['positive', 'negative']) drawCliqueList(sign);
  byId('clique-cells').replaceChildren(...(state.clique ? [cliqueCells(state.clique)] : []));
}

function drawCliqueList(sign) {
  const { list, total, complete, probability } = chosen().cliques[sign];
  const chanceOf = (i) => (probability && certain() ? probability[i] : null);
  const holder = byId(`cliques-${sign}`);
  if (!list.length) {
    holder.replaceChildren(el('p', { class: 'none' }, `No two tasks ${sign === 'positive' ? 'help' : 'harm'} each other.`));
    return;
  }
  const told = complete
    ? `${total} in all${list.length < total ? `; the largest ${list.length} are listed` : ''}${list.some((_, i) => known(chanceOf(i))) ? '; %: how often the tasks are a clique in the plausible matrices' : ''}.`
    : `The search was cut after ${total}; there are more, and larger ones may exist. Listed are ${list.length}.`;
  const item = (members, i) => {
    const on = state.clique && state.clique.sign === sign && String(state.clique.members) === String(members);
    return el('li', {}, el('button', {
      type: 'button', class: `clique ${sign}`, 'aria-pressed': String(Boolean(on)), 'data-members': members.join(','),
      title: members.map((place) => task(place).name).join(', ') + (known(chanceOf(i)) ? `; a clique with probability ${chance(chanceOf(i))}` : ''),
      on: { click: () => {
        holdClique(on ? null : { sign, members });
        const again = holder.querySelector(`[data-members="${members.join(',')}"]`);
        if (again) again.focus();
      } },
    }, el('b', {}, members.length), ' ', el('span', { class: 'names' }, members.map((place) => task(place).label).join(' · ')),
      known(chanceOf(i)) && el('span', { class: 'chance' }, chance(chanceOf(i)))));
  };
  holder.replaceChildren(el('p', { class: 'scope' }, told), el('ul', { class: 'cliques', tabindex: list.length > 12 ? 0 : null }, list.map(item)));
}

// the cells that make the clique, so that one need not scroll to see how strong it is
function cliqueCells({ members, sign }) {
  const shown = members.slice(0, WITH_NUMBERS);
  const cell = (source, target) => {
    const value = valueAt(source, target);
    const td = el('td', { class: `cell${source === target ? ' diagonal' : ''}${known(value) ? '' : ' hole'}` }, known(value) ? signed(value) : '');
    if (known(value)) {
      const colour = colourOf(value, data.colour[state.view]);
      td.style.backgroundColor = css(colour);
      td.style.color = inkOn(colour);
    }
    return td;
  };
  const head = (scope, place) => el('th', { scope, title: task(place).name }, el('span', { class: 'upright' }, shorten(task(place).label, 90, 12)));
  return el('div', { class: 'scroller clique-detail' },
    el('table', { class: 'matrix numbers' }, el('caption', {}, `The ${sign} clique of ${members.length}, rows finetuned on${members.length > shown.length ? `; its first ${shown.length} tasks` : ''}`),
      el('thead', {}, el('tr', {}, el('th', { class: 'corner' }), shown.map((place) => head('col', place)))),
      el('tbody', {}, shown.map((source) => el('tr', {}, head('row', source), shown.map((target) => cell(source, target)))))),
    el('p', { class: 'jump' }, 'See it ', el('a', { href: '#matrix' }, 'in the matrix'), ' or ', el('a', { href: '#graph' }, 'in the graph'), '.'));
}

// ---- diagnostics

const DIAGNOSTICS_SHOWN = 300;
const filters = { model: '', check: '', scope: '', text: '', flagged: true, all: false };

function setUpDiagnostics() {
  const { rows } = data.diagnostics;
  if (!rows.length) {
    byId('diagnostics-holder').replaceChildren(el('p', { class: 'none' }, 'No check could be made on these data.'));
    return;
  }
  const select = (key, entries) => {
    const node = el('select', { id: `filter-${key}`, on: { change: () => { filters[key] = node.value; drawDiagnostics(); } } });
    options(node, [['', 'all'], ...entries]);
    return el('label', {}, key, ' ', node);
  };
  const distinct = (key) => [...new Set(rows.map((row) => row[key]))].map((value) => [value, value]);
  const text = el('input', { type: 'search', id: 'filter-text', placeholder: 'task or words', on: { input: () => { filters.text = text.value; drawDiagnostics(); } } });
  const flagged = el('input', { type: 'checkbox', id: 'filter-flagged', on: { change: () => { filters.flagged = flagged.checked; drawDiagnostics(); } } });
  flagged.checked = true;
  byId('diagnostics-tools').append(
    select('model', data.models.map((one, i) => [i, one.label])), select('scope', distinct('scope')), select('check', distinct('check')),
    el('label', {}, 'search ', text), el('label', {}, flagged, ' flagged only'),
  );
  drawDiagnostics();
}

function keptDiagnostics() {
  const words = filters.text.toLowerCase();
  return data.diagnostics.rows.filter((row) => (!filters.flagged || row.flagged)
    && (filters.model === '' || row.model === +filters.model)
    && (!filters.check || row.check === filters.check) && (!filters.scope || row.scope === filters.scope)
    && (!words || [row.source, row.target, row.seed, row.message, row.check].some((part) => part.toLowerCase().includes(words))));
}

function drawDiagnostics() {
  const kept = keptDiagnostics();
  const shown = filters.all ? kept : kept.slice(0, DIAGNOSTICS_SHOWN);
  const where = (row) => [row.source && row.target ? `${row.source} → ${row.target}` : row.target || (row.scope === 'model' ? 'whole model' : ''), row.seed].filter(Boolean).join(', ');
  const cut = data.diagnostics.cut;
  byId('diagnostics-holder').replaceChildren(
    el('p', { class: 'scope', id: 'diagnostics-told', role: 'status' }, `${plural(kept.length, 'row')} of ${data.diagnostics.rows.length}`
      + `${shown.length < kept.length ? `; the first ${shown.length} are shown` : ''}.`
      + `${cut ? ` ${cut} more single runs are in diagnostics.csv.` : ''}`),
    ...(shown.length < kept.length ? [el('button', { type: 'button', id: 'diagnostics-all', on: { click: () => { filters.all = true; drawDiagnostics(); } } }, 'Show all')] : []),
    kept.length ? sortableTable({
      caption: 'Diagnostics', id: 'diagnostics-table',
      columns: [
        { name: 'model', text: (row) => data.models[row.model].label },
        { name: 'check', text: (row) => row.check, cell: (row) => el('code', {}, row.check) },
        { name: 'where', text: where },
        { name: 'what was found', text: (row) => row.message },
        { name: 'value', text: (row) => plain(row.value, 3), order: (row) => row.value },
        { name: 'threshold', text: (row) => plain(row.threshold, 3), order: (row) => row.threshold },
        { name: 'flagged', text: (row) => (row.flagged ? 'flagged' : 'passed'), cell: (row) => el('span', { class: row.flagged ? 'flagged' : 'passed' }, row.flagged ? 'flagged' : 'passed') },
      ],
      rows: shown,
    }) : el('p', { class: 'none' }, 'Nothing matches these filters.'),
  );
}
