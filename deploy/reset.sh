#!/bin/sh
# Remove a home of OnePay after one question. Held all the while by its own lock, so that nothing starts in it; a folder
# without our marks, or with files that are not ours, is left alone.
set -eu
home=${ONEPAY_HOME:-var}
[ -d "$home" ] || { echo "There is no $home here."; exit 0; }
home=$(cd -P -- "$home" && pwd)
if [ ! -f "$home/onepay.lock" ] && [ ! -f "$home/keys/log.key" ]; then
  echo "$home is no home of OnePay; nothing was removed." >&2
  exit 5
fi
strange=$(find "$home" -mindepth 1 -maxdepth 1 ! -name '.*.????????' \
  ! -name 'onepay.lock' ! -name 'onepay.db*' ! -name 'subject_keys.db*' ! -name 'admin.token' ! -name 'demo.json' \
  ! -name 'archive' ! -name 'demo' ! -name 'events' ! -name 'evidence' ! -name 'keys' ! -name 'log' ! -name 'mail' \
  ! -name 'packages' ! -name 'reports' ! -name 'witness' ! -name 'seeding' | head -n 3)
if [ -n "$strange" ]; then
  echo "$home holds what is not OnePay's, so nothing was removed:" >&2
  echo "$strange" >&2
  exit 5
fi
command -v flock >/dev/null 2>&1 || { echo "The command flock (package util-linux) is needed." >&2; exit 2; }
exec 9<>"$home/onepay.lock"
if ! flock -n 9; then
  echo "OnePay is running in $home; stop it first." >&2
  exit 3
fi
if [ -z "${YES:-}" ]; then
  printf 'Remove %s with all its data? Type yes: ' "$home"
  read -r answer || answer=no
  [ "$answer" = yes ] || { echo "Nothing was removed."; exit 0; }
fi
# The lock goes last: until then whoever wants to start here is told that somebody has the home.
find "$home" -mindepth 1 -maxdepth 1 ! -name onepay.lock -exec rm -rf -- {} +
rm -f -- "$home/onepay.lock"
rmdir -- "$home" 2>/dev/null || { echo "Emptied $home."; exit 0; }
echo "Removed $home."
