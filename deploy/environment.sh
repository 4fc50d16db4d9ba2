#!/bin/sh
# Make .venv and install what the lock names: `run` for the product, `test` for the tests beside it.
# A stamp per lock skips what is done; interrupted, the same command goes on.
set -eu
what=${1:-run}
case $what in
  run) lock=requirements.lock ;;
  test) lock=tests/requirements.lock ;;
  *) echo "environment.sh run|test" >&2; exit 2 ;;
esac

python=${PYTHON:-}
if [ -z "$python" ]; then
  found=""
  for name in python3.14 python3.13 python3.12 python3.11 python3; do
    command -v "$name" >/dev/null 2>&1 || continue
    version=$("$name" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    found="$found $name=$version"
    case $version in 3.11|3.12|3.13|3.14) python=$name; break ;; esac
  done
  [ -n "$python" ] || { echo "OnePay needs Python 3.11 to 3.14; found:${found:- none}." >&2; exit 2; }
fi

# Two at once would each undo what the other began.
if command -v flock >/dev/null 2>&1; then
  exec 8>.venv.lock
  flock 8
fi

stamp=.venv/.installed-$what-$("$python" -c 'import hashlib,sys; print(hashlib.sha256(b"".join(open(f,"rb").read() for f in sys.argv[1:])).hexdigest()[:16])' "$lock" pyproject.toml)
[ -f "$stamp" ] && [ -x .venv/bin/python ] && exit 0
# The tests' lock holds all that runs, with equal pins: an environment for tests serves as well.
if [ "$what" = run ] && ls .venv/.installed-test-* >/dev/null 2>&1 && [ -x .venv/bin/onepay ]; then
  test_stamp=.venv/.installed-test-$("$python" -c 'import hashlib,sys; print(hashlib.sha256(b"".join(open(f,"rb").read() for f in sys.argv[1:])).hexdigest()[:16])' tests/requirements.lock pyproject.toml)
  [ -f "$test_stamp" ] && exit 0
fi

free_kb=$(df -Pk . | awk 'NR==2 {print $4}')
[ "$free_kb" -ge 3145728 ] || { echo "Less than 3 GB are free here; installing needs them." >&2; exit 2; }

[ -x .venv/bin/python ] && [ -x .venv/bin/pip ] || {
  rm -rf .venv
  echo "Environment: .venv with $("$python" -V)"
  if ! said=$("$python" -m venv .venv 2>&1); then
    rm -rf .venv
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
      apt-get install -y -qq python3-venv >/dev/null
      "$python" -m venv .venv
    else
      printf '%s\n' "$said" "If it is venv that is missing: apt-get install python3-venv" >&2
      exit 2
    fi
  fi
}
total=$(grep -c '==' "$lock")
echo "Environment: $total packages of $lock"
.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r "$lock"
.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
touch "$stamp"
