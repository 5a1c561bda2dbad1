'use strict';
(() => {
  const every = 2000;
  const limit = 5000;
  const lost = document.getElementById('lost');
  const form = document.getElementById('filter');
  const input = form.querySelector('input');
  const shown = form.querySelector('output');
  let timer = 0;
  let asking = false;

  // Rows that have all words of the filter, also those of their state.
  function filter() {
    const rows = document.querySelectorAll('main tbody tr');
    const words = input.value.toLowerCase().split(/\s+/);
    let count = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      count += row.hidden ? 0 : 1;
    }
    form.hidden = rows.length < 10 && !input.value;
    shown.textContent = input.value ? `${count} of ${rows.length} shown` : '';
  }

  // What a newer program's page looks like is its own affair.
  function isOurs(next) {
    return ['style', 'script'].every((name) => {
      const theirs = next.querySelector(name);
      return theirs && theirs.textContent === document.querySelector(name).textContent;
    });
  }

  function show(text) {
    const next = new DOMParser().parseFromString(text, 'text/html');
    if (!next.querySelector('main')) throw new Error('something else answers');
    if (!isOurs(next)) return location.reload();
    const [x, y] = [scrollX, scrollY];
    document.title = next.title;
    for (const name of ['header', 'main']) {
      document.querySelector(name).replaceWith(document.adoptNode(next.querySelector(name)));
    }
    filter();
    scrollTo(x, y);
  }

  function say(why) {
    const then = document.querySelector('header .at time').textContent;
    const text = why && `No answer: ${why}. This is how things were at ${then}; trying again.`;
    if (lost.textContent !== text) lost.textContent = text;
    lost.hidden = !text;
    document.body.classList.toggle('lost', Boolean(text));
  }

  async function ask() {
    let answer;
    try {
      answer = await fetch(location.pathname, { cache: 'no-store', signal: AbortSignal.timeout(limit) });
    } catch (error) {
      throw new Error(error.name === 'TimeoutError' ? 'it takes too long' : 'nobody listens there');
    }
    const text = await answer.text();
    if (!answer.ok) throw new Error(text.trim().slice(0, 200));
    return text;
  }

  async function update() {
    clearTimeout(timer);
    if (document.hidden || asking) return;
    asking = true;
    const begun = performance.now();
    try {
      const text = await ask();
      // Whoever marks text is about to copy it.
      if (getSelection().isCollapsed) show(text);
      say('');
    } catch (error) {
      say(error.message);
    }
    asking = false;
    // A long page takes no more than a tenth of the time.
    timer = setTimeout(update, Math.max(every, 10 * (performance.now() - begun)));
  }

  form.addEventListener('submit', (event) => event.preventDefault());
  input.addEventListener('input', filter);
  document.addEventListener('visibilitychange', update);
  filter();
  timer = setTimeout(update, every);
})();
