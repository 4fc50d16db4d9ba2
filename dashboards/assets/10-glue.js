/* One page address, one drawing: the route store, links without reloads, grids by key, menu, scheme, keys, clocks. */
window.dashMantineFunctions = window.dashMantineFunctions || {};
window.dashMantineFunctions.styleNonce = function () { return window.onepayNonce; };
(function () {
  var n = 0, onepay = window.onepay = {}, BLOCK = 200, ROWS_MAX = 10000;
  var written = new Set(), asked = 0, rest = 0, SHARE = 20, REST_MAX = 60000, LOOK = 1000;

  onepay.here = function () { keep(); written.clear(); asked = Date.now(); return { path: location.pathname, search: location.search, n: ++n }; };
  function draw() { dash_clientside.set_props('route', { data: onepay.here() }); }
  function go(address) { history.pushState(null, '', address); draw(); }
  onepay.go = go;
  onepay.draw = draw;

  /* After an act the page is drawn again; the form that the address had opened is closed. */
  onepay.after = function (what) {
    if (!what) return dash_clientside.no_update;
    if (what.close) {
      var words = new URLSearchParams(location.search);
      if (words.has('do')) {
        ['do', 'sel', 'entity', 'hours'].forEach(function (name) { words.delete(name); });
        history.replaceState(null, '', location.pathname + (String(words) ? '?' + words : ''));
      }
    }
    return onepay.here();
  };

  /* A drawn page names itself; the focus goes to its title, or into the form that was opened. */
  var shown = null, kept = null;
  function keep() {
    var main = document.querySelector('.main'), active = document.activeElement;
    kept = { at: location.href, main: main ? main.scrollTop : 0, top: scrollY, focus: active && active.id === 'page-title', boxes: {} };
    boxes(function (box, name) { kept.boxes[name] = box.scrollTop; });
  }
  /* What scrolls inside itself, a list or what is open beside it, each by its name. */
  function boxes(each) {
    document.querySelectorAll('.page .scroll, .dock .inner').forEach(function (box) { each(box, box.getAttribute('aria-label')); });
  }
  /* The same address drawn again stays where it was read. */
  function restore() {
    var main = document.querySelector('.main'), title = document.getElementById('page-title');
    if (!kept || kept.at !== location.href || !main) return;
    main.scrollTop = kept.main;
    boxes(function (box, name) { if (kept.boxes[name]) box.scrollTop = kept.boxes[name]; });
    scrollTo(scrollX, kept.top);
    if (kept.focus && title && document.activeElement === document.body) title.focus({ preventScroll: true });
  }
  onepay.drawn = function () {
    /* What takes long to draw is drawn by itself less often: a twentieth of the time at most, a minute apart at most. */
    if (asked) rest = Date.now() + Math.min(REST_MAX, (SHARE - 1) * (Date.now() - asked));
    restore();
    requestAnimationFrame(restore);
    setTimeout(function () {
      var title = document.getElementById('page-title'), address = location.pathname + '|' + (new URLSearchParams(location.search).get('do') || '');
      if (!title) return;
      document.title = title.textContent + ' – OnePay';
      aim();
      var is_first = shown === null, is_same = shown === address;
      shown = address;
      if (is_same) return;
      var form = document.querySelector('.opened');
      if (form) {
        form.scrollIntoView({ block: 'nearest' });
        var field = form.querySelector('input, textarea, button, .choices a');
        if (field) field.focus({ preventScroll: true });
      } else if (!is_first) title.focus({ preventScroll: true });
    }, 60);
    return dash_clientside.no_update;
  };

  /* What an address names in a list that scrolls by itself, a group or the row that is open, comes into view once. */
  var aimed = null;
  function aim() {
    if (aimed === location.href) return;
    aimed = location.href;
    var group = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    var row = document.querySelector('.t tr.open');
    /* On a narrow screen what is open stands above the list, and is what was asked for. */
    if (row && innerWidth > 820) row.scrollIntoView({ block: 'nearest' });
    else if (group) group.scrollIntoView({ block: 'start' });
  }

  ['click', 'keydown'].forEach(function (kind) { addEventListener(kind, function () { window.onepayPassiveUntil = 0; }, true); });
  addEventListener('popstate', draw);
  addEventListener('click', function (event) {
    var link = event.target.closest && event.target.closest('a[href^="/console/"]');
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || link.target ||
        link.hasAttribute('download')) return;
    event.preventDefault();
    go(link.href);
  });

  /* Filters change the address, not the history. */
  onepay.filters = function (change) {
    var words = new URLSearchParams(location.search);
    Object.keys(change).forEach(function (name) { change[name] ? words.set(name, change[name]) : words.delete(name); });
    go(location.pathname + (String(words) ? '?' + words : ''));
  };

  /* A grid's own data source, set at its first request: blocks of 200 by the key of the one before. */
  onepay.rows = function (id) {
    dash_ag_grid.getApiAsync(id).then(function (api) {
      var after = [null], query = location.search, newest;
      var box = document.getElementById(id).closest('[data-feed]');
      function ask(limit, key, isOwn) {
        var asked = new URLSearchParams(query), words = new URLSearchParams();
        ['q', 'from', 'to'].forEach(function (name) { if (asked.has(name)) words.set(name, asked.get(name)); });
        if (box.dataset.query !== undefined) words.set('q', box.dataset.query);
        words.set('limit', limit);
        if (key) words.set('after', key);
        /* What the page asks by itself keeps no session alive. */
        var how = { credentials: 'same-origin', headers: isOwn ? { 'X-OnePay-Passive': '1' } : {} };
        return fetch(box.dataset.feed + '?' + words, how).then(function (answer) {
          if (!answer.ok) throw answer;
          return answer.json();
        });
      }
      function first(page) { return page.rows.length ? page.rows[0].id : null; }
      /* What is new comes in by itself while the top of a list that goes on is read: one row is asked for, the block
         only where that is another one. Asking takes a tenth of the time at most. */
      var pause = LOOK, isOwn = false;
      ['wheel', 'keydown', 'pointerdown'].forEach(function (kind) { box.addEventListener(kind, function () { isOwn = false; }, true); });
      function look() {
        var began = Date.now();
        function again() { if (!api.isDestroyed()) setTimeout(look, Math.max(pause, 9 * (Date.now() - began))); }
        var may = box.closest('[data-refresh]') && document.visibilityState === 'visible' && is_at_top();
        if (!may || newest === undefined) return again();
        ask(1, null, true).then(function (page) {
          pause = LOOK;
          if (first(page) !== newest && !api.isDestroyed() && is_at_top()) {
            isOwn = true;
            api.refreshInfiniteCache();
          }
          again();
        }).catch(function (answer) {
          if (answer.status === 401 || answer.status === 403) return;
          pause = Math.min(REST_MAX, 2 * pause);
          again();
        });
      }
      function is_at_top() {
        var list = box.querySelector('.ag-body-viewport');
        return !list || list.scrollTop === 0;
      }
      look();
      api.setGridOption('datasource', { getRows: function (request) {
        var block = request.startRow / BLOCK;
        /* The first block comes with the page; a person scrolls to the others. */
        ask(BLOCK, after[block], !block || isOwn).then(function (page) {
          if (!block) newest = first(page);
          after[block + 1] = page.next;
          var end = request.startRow + page.rows.length;
          request.successCallback(page.rows, page.next === null || end >= ROWS_MAX ? end : -1);
        }).catch(function () { request.failCallback(); });
      } });
    });
  };

  /* A column with context {from: px} shows only when the list is that wide. */
  onepay.fit = function (id) {
    dash_ag_grid.getApiAsync(id).then(function (api) {
      var box = document.getElementById(id);
      new ResizeObserver(function (entries, observer) {
        if (api.isDestroyed()) return observer.disconnect();
        var width = box.clientWidth;
        api.getColumns().forEach(function (column) {
          var context = column.getColDef().context;
          if (context && context.from) api.setColumnsVisible([column.getColId()], width >= context.from);
          if (context && context.below) api.setColumnsVisible([column.getColId()], width < context.below);
        });
      }).observe(box);
    });
  };

  /* Opening a row opens its address: beside the list, or the page that the list names. */
  onepay.open = function (cell) {
    if (!cell || !cell.rowId && cell.rowIndex === undefined) return;
    var opens = document.querySelector('[data-opens]');
    if (opens) return go(opens.dataset.opens + '/' + encodeURIComponent(cell.rowId));
    var words = new URLSearchParams(location.search);
    words.set('sel', cell.rowId);
    go(location.pathname + '?' + words);
  };

  function scheme() {
    var root = document.documentElement, next = root.getAttribute('data-mantine-color-scheme') === 'dark' ? 'light' : 'dark';
    dash_clientside.set_props('scheme', { data: next });
    document.cookie = 'onepay_scheme=' + next + ';path=/;samesite=strict';
    draw();
  }
  /* j and k move over the rows of the list; Enter opens the one with the focus. */
  function step(by) {
    var box = document.querySelector('.feed > [id]');
    if (!box) return;
    dash_ag_grid.getApiAsync(box.id).then(function (api) {
      var cell = api.getFocusedCell(), next = cell ? cell.rowIndex + by : 0, column = api.getAllDisplayedColumns()[0];
      if (next < 0 || next >= api.getDisplayedRowCount()) return;
      api.ensureIndexVisible(next);
      api.setFocusedCell(next, column);
    });
  }
  function jump(text) {
    text = text.trim();
    if (!text) return;
    /* Where who looks reads events stands at the field: the page of analysts, or the trail. */
    var events = document.querySelector('[data-do=jump]').dataset.events || '/console/soc/events';
    var isTrail = /audit$/.test(events), known = { inc: 'incidents/', alr: 'alerts?sel=' }[text.slice(0, 3)];
    if (/^evt_/.test(text) || /^EV-\d+$/i.test(text)) return go(events + '?sel=' + encodeURIComponent(text));
    if (known && text[3] === '_') return go('/console/soc/' + known + encodeURIComponent(text));
    if (/^INC-\d+$/i.test(text)) return go('/console/soc/incidents/' + text.toUpperCase());
    if (isTrail) {
      var plain = text.replace('#', '');
      return go(events + '?' + (/^[0-9a-f.:]+(\/\d+)?$/i.test(text) && /[.:]/.test(text) ? 'address=' + encodeURIComponent(text)
        : /^\d+$/.test(plain) ? 'first=' + plain + '&last=' + plain
        : /^(acc|svc)_/.test(text) ? 'subject=' + encodeURIComponent(text)
        : /^[a-z]{3}_/.test(text) ? 'object=' + encodeURIComponent(text) : 'action=' + encodeURIComponent(text)));
    }
    var field = { acc: 'onepay.subject.id', trf: 'onepay.transfer.id', wal: 'onepay.wallet.id', top: 'onepay.topup.id' };
    var query = /^[0-9a-f.:]+$/i.test(text) && /[.:]/.test(text) ? 'source.ip:' + text
      : /^#?\d+$/.test(text) ? 'event.sequence:' + text.replace('#', '')
      : text[3] === '_' && field[text.slice(0, 3)] ? field[text.slice(0, 3)] + ':' + text : text;
    go('/console/soc/events?q=' + encodeURIComponent(query));
  }
  addEventListener('click', function (event) {
    var button = event.target.closest && event.target.closest('[data-do]');
    if (!button) return;
    if (button.dataset.do === 'menu') {
      var open = document.querySelector('.shell').classList.toggle('menu-open');
      button.setAttribute('aria-expanded', open);
    }
    if (button.dataset.do === 'scheme') scheme();
    if (button.dataset.do === 'copy') {
      event.preventDefault();
      navigator.clipboard.writeText(button.dataset.copy || location.href);
    }
    if (button.dataset.do === 'draw') draw();
    if (button.dataset.do === 'prove') {
      event.preventDefault();
      location.assign(button.href + '?next=' + encodeURIComponent(location.pathname + location.search));
    }
  });
  addEventListener('keydown', function (event) {
    var field = event.target.closest && event.target.closest('input, textarea, select, [contenteditable]');
    if (field) {
      if (event.key === 'Enter' && field.dataset.do === 'jump') { jump(field.value); field.blur(); }
      if (event.key === 'Enter' && field.dataset.do === 'query') onepay.filters({ q: field.value.trim(), sel: null });
      if (event.key === 'Escape') field.blur();
      return;
    }
    if (event.metaKey || event.ctrlKey || event.altKey) return;
    /* The second key of two is no key of its own: g a goes to the alerts, and takes nothing. */
    if (waiting) { waiting = false; var to = { o: 'overview', e: 'events', a: 'alerts', i: 'incidents', r: 'rules', h: 'health' }[event.key];
      if (to) go('/console/soc/' + to); return; }
    if (event.key === 'g') { waiting = true; setTimeout(function () { waiting = false; }, 1200); return; }
    if (event.key === 't') scheme();
    if (event.key === '/') {
      var bar = document.querySelector('[data-do=query]') || document.querySelector('[data-do=jump]');
      if (bar) { event.preventDefault(); bar.focus(); }
    }
    if (event.key === 'a') {
      var take = document.querySelector('.main [data-key=a]');
      if (take) take.click();
    }
    if (event.key === 'j' || event.key === 'k') step(event.key === 'j' ? 1 : -1);
    if (event.key === 'Enter' && event.target.closest && event.target.closest('.ag-row')) {
      onepay.open({ rowId: event.target.closest('.ag-row').getAttribute('row-id') });
    }
    if (event.key === 'Escape') {
      document.querySelectorAll('details.pop[open]').forEach(function (box) { box.open = false; });
      var close = document.querySelector('.opened a[data-key=Escape], .dock a[title^=Close]');
      if (close) go(close.href);
    }
  });
  var waiting = false;

  /* Deadlines count down by themselves. */
  function two(number) { return (number < 10 ? '0' : '') + number; }
  function words(seconds) {
    var s = Math.abs(seconds);
    if (s < 60) return Math.floor(s) + ' s';
    if (s < 3600) return Math.floor(s / 60) + ':' + two(Math.floor(s % 60));
    var h = Math.floor(s / 3600);
    return h < 48 ? h + ' h ' + two(Math.floor(s % 3600 / 60)) + ' min' : Math.floor(h / 24) + ' d ' + h % 24 + ' h';
  }
  setInterval(function () {
    document.querySelectorAll('[data-due]').forEach(function (place) {
      var left = (Date.parse(place.dataset.due) - Date.now()) / 1000, head = place.firstElementChild;
      if (head && head.tagName === 'SPAN') head.textContent = (left <= 0 ? 'late ' : '') + words(left);
    });
  }, 1000);

  /* What somebody wrote or chose in a form and did not send yet; of fields that React holds the value is no trace. */
  function wrote(field) { if (field && field.closest('.form, .note-row')) written.add(field); }
  addEventListener('input', function (event) { wrote(event.target); });
  addEventListener('click', function (event) {
    var list = event.target.closest && event.target.closest('[role=option]') && event.target.closest('[role=listbox]');
    if (list) wrote(document.querySelector('[aria-controls="' + list.id + '"]'));
  }, true);
  function unsent() {
    written.forEach(function (field) { if (!field.isConnected) written.delete(field); });
    return [].some.call(Array.from(written), function (field) { return field.value !== ''; });
  }

  /* A process that is gone cannot say so: where nothing was heard for one interval it is asked, twice, and then the
     page says of when it is. What is asked for is the icon: it needs no session, and keeps none alive. */
  var EVERY = 5000, WAIT = 4000, AGAIN = 500, isAsking = false, lost = null;
  function clock(at) { return new Date(at).toISOString().slice(11, 19) + ' UTC'; }
  function ask(isSecond) {
    var stop = new AbortController(), timer = setTimeout(function () { stop.abort(); }, WAIT);
    fetch('/favicon.ico', { method: 'HEAD', credentials: 'omit', cache: 'no-store', signal: stop.signal }).then(function () {
      clearTimeout(timer);
      isAsking = false;
      if (lost) found();
    }, function () {
      clearTimeout(timer);
      if (!isSecond && !lost) return setTimeout(ask, AGAIN, true);
      isAsking = false;
      if (!lost) lose();
    });
  }
  function beat() {
    if (isAsking || document.visibilityState !== 'visible' || !lost && Date.now() - window.onepayHeard < EVERY) return;
    isAsking = true;
    ask(false);
  }
  function lose() {
    lost = document.createElement('div');
    lost.className = 'lost-bar';
    lost.setAttribute('role', 'alert');
    lost.textContent = 'Connection lost at ' + clock(window.onepayHeard) + '; what you see is of then.';
    document.body.prepend(lost);
    document.documentElement.classList.add('lost');
  }
  function found() {
    lost.remove();
    lost = null;
    document.documentElement.classList.remove('lost');
    if (!unsent()) { window.onepayPassiveUntil = Date.now() + 400; draw(); }
  }
  setInterval(beat, EVERY / 2);
  addEventListener('onepay-silent', beat);
  addEventListener('visibilitychange', beat);

  /* A page that may have changed is drawn again when nobody types or selects in it. */
  setInterval(function () {
    var page = document.querySelector('[data-refresh]'), active = document.activeElement;
    /* Not while somebody writes, reads by keyboard, or has something open. */
    var busy = active && active.id !== 'page-title' && active.closest('.main') && active.id !== 'content' ||
      document.querySelector('.opened, details[open]') || [].some.call(
        document.querySelectorAll('.ag-body-viewport, .dock .inner'), function (box) { return box.scrollTop > 0; }) ||
      unsent();
    if (page && !busy && Date.now() >= rest && document.visibilityState === 'visible' && !String(getSelection()) && !document.querySelector('.mantine-Modal-content'))
      { window.onepayPassiveUntil = Date.now() + 400; draw(); }
  }, 5000);
})();
