/* First in the page: styles made by scripts get the nonce, the colour scheme stands before the first paint, 401 leads to sign-in. */
(function () {
  var D = Document.prototype, E = Element.prototype, nonce = document.currentScript.nonce;
  var create = D.createElement, attribute = E.setAttribute, fetch = window.fetch, scheme = null;
  window.onepayNonce = nonce;
  D.createElement = function (tag) {
    var made = create.apply(this, arguments);
    if (String(tag).toLowerCase() === 'style') attribute.call(made, 'nonce', nonce);
    return made;
  };
  E.setAttribute = function (name, value) {
    if (name === 'style' && this.style) { this.style.cssText = value; return; }
    return attribute.apply(this, arguments);
  };
  try { scheme = localStorage.getItem('mantine-color-scheme-value'); } catch (refused) { scheme = null; }
  if (scheme !== 'light' && scheme !== 'dark') scheme = matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark';
  attribute.call(document.documentElement, 'data-mantine-color-scheme', scheme);
  document.cookie = 'onepay_scheme=' + scheme + ';path=/;samesite=strict';
  /* What the page asks by itself must not keep a session alive. */
  window.onepayPassiveUntil = 0;
  window.onepayHeard = Date.now();
  window.fetch = function (address, options) {
    if (window.onepayPassiveUntil > Date.now() && options && options.headers && !(options.headers instanceof Headers))
      options.headers['X-OnePay-Passive'] = '1';
    return fetch.call(this, address, options).catch(function (silence) {
      window.dispatchEvent(new Event('onepay-silent'));
      throw silence;
    }).then(function (answer) {
      window.onepayHeard = Date.now();
      if (answer.status === 401) location.assign('/sign-in?next=' + encodeURIComponent(location.pathname + location.search));
      return answer;
    });
  };
})();
