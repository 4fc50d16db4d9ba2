/* A form that was sent is not sent again by the second of two clicks; after four seconds, or back from another page, it may be. */
(function () {
  var PAUSE = 4000, sent = new Map();
  addEventListener('submit', function (event) {
    var now = Date.now();
    if (now - (sent.get(event.target) || 0) < PAUSE) event.preventDefault();
    else sent.set(event.target, now);
  });
  addEventListener('pageshow', function () { sent.clear(); });
})();
