#!/bin/sh
# Remove the demonstration's home after one question: the folder goes, never a part of it.
set -eu
home=${ONEPAY_HOME:-var}
[ -d "$home" ] || { echo "There is no $home here."; exit 0; }
if [ -z "${YES:-}" ]; then
  printf 'Remove %s with all its data? Type yes: ' "$home"
  read -r answer || answer=no
  [ "$answer" = yes ] || { echo "Nothing was removed."; exit 1; }
fi
if command -v flock >/dev/null 2>&1 && [ -f "$home/onepay.lock" ] && ! flock -n "$home/onepay.lock" true; then
  echo "OnePay is running in $home; stop it first." >&2
  exit 3
fi
rm -rf "$home"
echo "Removed $home."
