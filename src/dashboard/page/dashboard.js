// What the server tells, put into the page. All texts come from elsewhere: they become text, never markup.
'use strict';

const PICTURE_MS = 2000; // a picture is drawn anew at most that often
const SILENT_MS = 25000; // the server says something every ten seconds
const RETRY_MS = [1000, 2000, 5000, 10000];
const OF_THE_MESH = ['mesh', 'migrations'];
const KEPT = ['archive', 'front']; // what some searches find beside the champion
const NARROW = matchMedia('(max-width: 34rem)');

let stream = null, watchdog = 0, retries = 0;
let state = null, chosen = null;

const $ = (id) => document.getElementById(id);

// ---- words and numbers

const grouped = new Intl.NumberFormat('en');
const whole = (n) => grouped.format(Math.round(n));
const short = (x) => x === null || x === undefined ? '' : Number.isInteger(x) ? whole(x)
  : Math.abs(x) >= 1e6 || (x !== 0 && Math.abs(x) < 1e-3) ? x.toExponential(2)
  : new Intl.NumberFormat('en', { maximumSignificantDigits: Math.abs(x) >= 1000 ? 6 : 4 }).format(x);
const plural = (n, word) => n === 1 ? word : `${word}s`;
const counted = (n, word) => `${whole(n)} ${plural(n, word)}`;
const clock = (ms) => new Date(ms).toLocaleTimeString([], { hour12: false });
const brief = (hex) => hex.slice(0, 8);
const words = (list) => list.length < 2 ? list.join('') : `${list.slice(0, -1).join(', ')} and ${list[list.length - 1]}`;

// ---- the document

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function show(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
}

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// A row or item for each, kept while its key is there, so that what has the focus stays.
function keyed(parent, items, key, create, update) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = key(item);
    let child = old.get(name);
    old.delete(name);
    if (!child) {
      child = create(item);
      child.dataset.key = name;
    }
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
    update(child, item);
  }
  for (const child of old.values()) child.remove();
}

function cell(label, className = '') {
  const td = make('td', { className });
  td.dataset.label = label;
  return td;
}

function say(text) {
  put($('said'), text);
}

// ---- what is asked for

// The key of the session: the cookie alone, which other ports of this host get as well, changes nothing.
function post(path, fields) {
  const key = localStorage.getItem('cambrian-key') ?? '1';
  return fetch(path, { method: 'POST', headers: { 'X-Cambrian': key }, body: new URLSearchParams(fields) });
}

async function change(path, fields, done) {
  let answer;
  try {
    answer = await post(path, fields);
  } catch {
    return say('The server cannot be reached.');
  }
  if (answer.ok) return say(done);
  const why = await answer.json().then((body) => body.error, () => `error ${answer.status}`);
  say(`Not done: ${why}.`);
}

// ---- populations

function populationRow(population) {
  const name = make('button', { type: 'button', className: 'name' }, make('bdi'));
  const act = make('button', { type: 'button', className: 'act' });
  const { name: key } = population;
  name.addEventListener('click', () => choose(key));
  act.addEventListener('click', () => {
    const pausing = act.dataset.do === 'pause';
    change(act.dataset.do, { population: key }, `${key} ${pausing ? 'is paused' : 'goes on'}.`);
  });
  const progress = cell('progress');
  progress.append(make('progress', { max: 1 }), make('span', { className: 'goal' }));
  const doing = cell('state');
  doing.append(make('span', { className: 'state' }), make('span', { className: 'failures' }));
  const last = make('td');
  last.append(act);
  const row = make('tr', {}, make('th', { scope: 'row' }, name), cell('task'), doing, cell('generation', 'n'), cell('best', 'n'),
    cell('mean', 'n'), cell('species', 'n'), cell('evaluations/s', 'n'), progress, last);
  return row;
}

function fillPopulation(row, p) {
  const [name, task, doing, generation, best, mean, species, rate, progress, last] = row.children;
  const button = name.firstElementChild, act = last.firstElementChild;
  put(button.firstElementChild, p.name);
  button.setAttribute('aria-pressed', String(p.name === chosen));
  put(task, p.task ?? '');
  const word = p.state === 'finished' && p.solved ? 'solved' : p.state === 'silent' ? 'does not answer' : p.state;
  put(doing.firstElementChild, word);
  doing.firstElementChild.className = `state ${p.state}`;
  put(doing.lastElementChild, p.failure ?? (p.failures ? counted(p.failures, 'failed evaluation') : ''));
  put(generation, short(p.generation));
  put(best, short(p.champion?.fitness));
  put(mean, short(p.mean));
  put(species, short(p.species));
  put(rate, p.state === 'running' ? whole(p.rate) : '');
  const [bar, goal] = progress.children;
  show(bar, p.progress?.share !== null && p.progress !== undefined);
  bar.value = p.progress?.share ?? 0;
  bar.setAttribute('aria-label', `progress of ${p.name}`);
  put(goal, p.progress ? p.progress.goal : '');
  const running = p.state === 'running';
  act.dataset.do = running ? 'pause' : 'resume';
  put(act, running ? 'Pause' : p.state === 'new' ? 'Start' : 'Resume');
  act.setAttribute('aria-label', `${act.textContent} ${p.name}`);
  act.disabled = p.state === 'finished' || p.state === 'silent';
}

function headline(all) {
  const running = all.filter((p) => p.state === 'running'), solved = all.filter((p) => p.solved);
  const numbers = ['No', 'One', 'Two', 'Three', 'Four', 'Five', 'Six', 'Seven', 'Eight', 'Nine'];
  const number = (n) => numbers[n] ?? whole(n);
  const be = (n, one, many) => `${n === 1 ? one : many}`;
  if (!all.length) return 'No populations here yet.';
  const first = running.length ? `${number(running.length)} ${plural(running.length, 'population')} evolve${be(running.length, 's', '')}`
    : `${number(all.length)} ${plural(all.length, 'population')} rest${be(all.length, 's', '')}`;
  return solved.length ? `${first}, ${number(solved.length).toLowerCase()} solved ${be(solved.length, 'its', 'their')} task.` : `${first}.`;
}

function showPopulations({ populations, unshown, lost, governor }) {
  keyed($('populations').tBodies[0], populations, (p) => p.name, populationRow, fillPopulation);
  show($('populations'), populations.length > 0);
  show($('no-populations'), populations.length === 0);
  show($('more-populations'), unshown > 0);
  put($('more-populations'), `And ${whole(unshown)} more.`);
  show($('lost'), lost.length > 0);
  put($('lost'), `Died and did not come back: ${words(lost)}.`);
  put($('headline'), headline(populations));
  const rate = populations.reduce((sum, p) => sum + (p.state === 'running' ? p.rate : 0), 0);
  const facts = [`${whole(rate)} evaluations/s now`];
  if (governor) facts.push(`${whole(governor.evaluations)} since this node started`);
  if (governor?.resting) facts.push(`resting: ${governor.resting}`);
  put($('lead'), `${facts.join(', ')}.`);
}

function federationRow() {
  return make('tr', {}, make('th', { scope: 'row' }, make('bdi')), cell('coordinator'), cell('members'), cell('voters', 'n'),
    cell('record', 'n'), cell('coordinators', 'n'));
}

function fillFederation(row, { name, federation: f }) {
  const [population, coordinator, members, voters, record, coordinators] = row.children;
  put(population.firstElementChild, name);
  put(coordinator, f.coordinator ?? 'none: it waits');
  put(members, words(f.unshown ? [...f.members, `${whole(f.unshown)} more`] : f.members));
  put(voters, whole(f.voters));
  put(record, whole(f.record));
  put(coordinators, whole(f.coordinators));
}

function showFederations(populations) {
  const federated = populations.filter((p) => p.federation);
  keyed($('federations').querySelector('tbody'), federated, (p) => p.name, federationRow, fillFederation);
  show($('federations'), federated.length > 0);
}

function choose(name) {
  chosen = name;
  if (state) refresh();
  say(`${name} is shown below.`);
}

function showChosen(populations) {
  const known = populations.find((p) => p.name === chosen) ?? populations.find((p) => p.state === 'running')
    ?? populations.find((p) => p.generation !== null) ?? populations[0];
  chosen = known ? known.name : null;
  show($('chosen'), Boolean(known));
  if (!known) return;
  for (const element of document.querySelectorAll('.chosen-name')) put(element, known.name);
  for (const name of KEPT) show($(name), known.keeps === name && known.generation !== null);
  const { champion } = known;
  show($('champion'), champion !== null);
  if (champion) {
    const made = champion.operators.length ? `, by ${words(champion.operators)}` : '';
    put($('champion-lead'), `Fitness ${short(champion.fitness)}, found in generation ${whole(champion.generation)}${made}. `
      + `${counted(champion.nodes, 'node')}, ${counted(champion.connections, 'connection')}.`);
    put($('champion-id'), champion.id);
  }
}

// ---- the mesh

function peerRow(peer) {
  const act = make('button', { type: 'button', className: 'act' });
  act.addEventListener('click', () => {
    const banned = act.dataset.do === 'unban';
    change(act.dataset.do, { realm: peer.realm, key: peer.key, reason: 'banned on the dashboard' },
      `${peer.label} is ${banned ? 'heard again' : 'banned'}.`);
  });
  const worth = cell('reputation', 'worth');
  worth.append(make('progress', { max: 1 }), make('span'));
  const key = cell('key');
  key.append(make('code', { title: peer.key }, brief(peer.key)));
  return make('tr', {}, make('th', { scope: 'row' }, make('bdi')), key, cell('realm'), cell('is'), cell('came', 'n'),
    cell('tried', 'n'), cell('taken', 'n'), cell('the last one'), worth, make('td', {}, act));
}

function fillPeer(row, peer) {
  const [label, , realm, is, came, tried, taken, outcome, worth, last] = row.children;
  const act = last.firstElementChild, [bar, value] = worth.children;
  put(label.firstElementChild, peer.label);
  put(realm, peer.realm);
  put(is, peer.banned ? 'banned' : peer.alive ? 'alive' : 'silent');
  put(came, whole(peer.received));
  put(tried, whole(peer.migrants));
  put(taken, whole(peer.taken));
  put(outcome, peer.outcome ?? '');
  bar.value = peer.reputation;
  bar.setAttribute('aria-label', `reputation of ${peer.label}`);
  put(value, peer.reputation.toFixed(2));
  act.dataset.do = peer.banned ? 'unban' : 'ban';
  put(act, peer.banned ? 'Unban' : 'Ban');
  act.setAttribute('aria-label', `${act.textContent} ${peer.label}, key ${brief(peer.key)}`);
}

function banItem(ban) {
  const item = make('li', {}, make('span'));
  if (ban.kind === 'key') {
    const act = make('button', { type: 'button' }, 'Unban');
    act.setAttribute('aria-label', `Unban key ${brief(ban.id)}`);
    act.addEventListener('click', () => change('unban', { realm: ban.realm, key: ban.id }, `Key ${brief(ban.id)} is heard again.`));
    item.append(act);
  }
  return item;
}

function showMesh(mesh) {
  show($('mesh'), mesh !== null);
  if (!mesh) return;
  const alive = mesh.peers.filter((p) => p.alive).length;
  const apart = mesh.realms.filter((realm) => !realm.connected).map((realm) => realm.name);
  const facts = [`In ${words(mesh.realms.map((realm) => realm.name))}`, `${counted(alive, 'other node')} alive`,
    `${counted(mesh.published, 'genotype')} published`, `${whole(mesh.judged)} of others tried, ${whole(mesh.taken)} taken`];
  if (mesh.identity) facts.push(`known to others as ${mesh.name}, key ${brief(mesh.identity)}`);
  const missing = [...new Set(mesh.realms.flatMap((realm) => realm.missing))];
  const closed = mesh.realms.filter((realm) => realm.trust === 'closed').map((realm) => realm.name);
  const fellBack = mesh.realms.filter((realm) => realm.trust === 'fell_back').map((realm) => realm.name);
  put($('mesh-lead'), `${facts.join('; ')}.${closed.length ? ` Closed, as the files of its trust are damaged: ${words(closed)}.` : ''}`
    + `${fellBack.length ? ` Bans may be lost, as a file of its trust was damaged: ${words(fellBack)}.` : ''}${apart.length ? ` Not connected: ${words(apart)}.` : ''}`
    + `${missing.length ? ` Missing here: ${words(missing)}.` : ''}`);
  keyed($('peers').tBodies[0], mesh.peers, (p) => `${p.realm} ${p.key}`, peerRow, fillPeer);
  show($('peers'), mesh.peers.length > 0);
  show($('more-peers'), mesh.unshown > 0);
  put($('more-peers'), `And ${whole(mesh.unshown)} more.`);
  const refused = mesh.realms.flatMap((realm) => Object.entries(realm.refused).map(([why, count]) => ({ why, count, realm: realm.name })));
  refused.sort((a, b) => b.count - a.count);
  keyed($('refused'), refused, (r) => `${r.realm} ${r.why}`, () => make('li', {}, make('span'), make('span')), (item, r) => {
    put(item.children[0], mesh.realms.length > 1 ? `${r.why} in ${r.realm}` : r.why);
    put(item.children[1], whole(r.count));
  });
  show($('none-refused'), refused.length === 0);
  const bans = mesh.realms.flatMap((realm) => realm.bans.map((ban) => ({ ...ban, realm: realm.name })));
  keyed($('bans'), bans, (b) => `${b.realm} ${b.kind} ${b.id}`, banItem, (item, b) => {
    put(item.firstElementChild, `${b.name ? `${b.name}, ` : ''}${b.kind} ${brief(b.id)}, ${b.by === 'reputation' ? 'for its reputation' : 'by hand'}${b.reason ? `: ${b.reason}` : ''}`);
  });
  show($('none-banned'), bans.length === 0);
  const refusals = mesh.realms.flatMap((realm) => realm.refusals).sort((a, b) => b.time - a.time).slice(0, 20);
  keyed($('refusals').tBodies[0], refusals, (r) => `${r.time} ${r.why} ${r.origin} ${r.task}`,
    () => make('tr', {}, make('td'), make('td'), make('td'), make('td')), (row, r) => {
      [clock(r.time), r.reason, r.name ?? 'nobody', r.task ?? ''].forEach((text, i) => put(row.children[i], text));
    });
}

// ---- pictures

// What a picture depends on; it is drawn anew when that has changed.
function depends(name, own) {
  if (OF_THE_MESH.includes(name)) {
    return state.mesh && JSON.stringify([state.mesh.peers.map((p) => [p.key, p.label, p.alive, p.migrants, p.taken, p.outcome]), state.mesh.published,
      state.mesh.judged, state.populations.map((p) => p.name)]);
  }
  if (!own || own.generation === null) return null;
  if (name === 'champion') return own.champion && own.champion.id;
  if (KEPT.includes(name)) return own.keeps === name ? `${own.state} ${own.generation}` : null;
  if (name === 'fitness') {
    return JSON.stringify([state.populations.filter((p) => p.task === own.task).map((p) => [p.name, p.generation]), state.mesh?.judged]);
  }
  return String(own.generation);
}

async function draw(place, own) {
  const name = place.dataset.picture;
  const of = depends(name, own);
  const subject = OF_THE_MESH.includes(name) ? '' : chosen;
  const key = of && `${NARROW.matches} ${subject} ${of}`;
  const now = performance.now();
  const urgent = place.subject !== subject;
  if (!key || place.drawnKey === key || place.busy || (!urgent && now - (place.drawnAt ?? -PICTURE_MS) < PICTURE_MS)) return;
  place.busy = true;
  place.subject = subject;
  const query = new URLSearchParams({ population: subject });
  if (NARROW.matches) query.set('narrow', '1');
  try {
    const answer = await fetch(`picture/${name}?${query}`);
    if (answer.ok) {
      const drawing = new DOMParser().parseFromString(await answer.text(), 'image/svg+xml').documentElement;
      if (drawing.localName === 'svg') {
        place.replaceChildren(document.importNode(drawing, true));
        const said = document.querySelector(`[data-words=${name}]`);
        if (said) put(said, drawing.querySelector('desc').textContent);
      }
      place.drawnKey = key;
    }
  } catch {
    // the stream tells of a lost connection
  } finally {
    place.drawnAt = performance.now();
    place.busy = false;
  }
}

function drawAll() {
  const own = state.populations.find((p) => p.name === chosen);
  for (const place of document.querySelectorAll('[data-picture]')) draw(place, own);
}

// ---- the stream

function refresh() {
  put($('node'), state.node);
  showChosen(state.populations);
  showPopulations(state);
  showFederations(state.populations);
  showMesh(state.mesh);
  drawAll();
}

function link(text, className) {
  put($('link'), text);
  $('link').className = `link ${className}`;
  document.body.classList.toggle('stale', className === 'broken');
}

function heard() {
  clearTimeout(watchdog);
  watchdog = setTimeout(lost, SILENT_MS);
}

function connect() {
  stream = new EventSource('events');
  stream.addEventListener('open', () => { retries = 0; link('live', 'live'); heard(); });
  stream.addEventListener('beat', heard);
  stream.addEventListener('state', (event) => { heard(); state = JSON.parse(event.data); refresh(); });
  stream.addEventListener('error', lost);
}

function close() {
  clearTimeout(watchdog);
  stream?.close();
  stream = null;
}

// A server that is there and says no is asked why, as an event stream does not tell.
async function lost() {
  close();
  link('connection lost', 'broken');
  const wait = RETRY_MS[Math.min(retries++, RETRY_MS.length - 1)];
  const status = await fetch('events', { method: 'HEAD' }).then((answer) => answer.status, () => 0);
  if (status === 401) return link('logged out: open this page again', 'broken');
  setTimeout(() => { if (!stream && !document.hidden) connect(); }, wait);
}

// Who does not look costs nothing.
document.addEventListener('visibilitychange', () => {
  if (document.hidden) close();
  else if (!stream) connect();
});
NARROW.addEventListener('change', () => { if (state) drawAll(); });
// pictures that had to wait, and the last one of a population that came to rest
setInterval(() => { if (state && stream) drawAll(); }, PICTURE_MS);
$('logout').addEventListener('click', async () => {
  close();
  await post('logout', {}).catch(() => null);
  localStorage.removeItem('cambrian-key');
  location.reload();
});
fetch('session').then((answer) => answer.json()).then(({ session }) => show($('logout'), session), () => null);
connect();
