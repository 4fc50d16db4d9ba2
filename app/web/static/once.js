/* A form that was sent is not sent again by the second of two clicks; after four seconds, or back from another page, it may be.
   A page that answered a form cannot be shown again by Back. Where the next form carries out what it shows, its place in the
   history becomes the page that form names: Back leads there instead of to the browser's question about sending again. */
(function () {
  var PAUSE = 4000, sent = new Map();
  addEventListener('submit', function (event) {
    var now = Date.now(), form = event.target, back = form.dataset.back;
    if (now - (sent.get(form) || 0) < PAUSE) { event.preventDefault(); return; }
    sent.set(form, now);
    if (back) history.replaceState(null, '', back);
  });
  addEventListener('pageshow', function () { sent.clear(); });
})();
