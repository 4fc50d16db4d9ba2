#!/bin/sh
# Resolve the locks: universal, pinned, hashed, without an address of any index.
set -eu
[ -x .venv-lock/bin/uv ] || { python3 -m venv .venv-lock && .venv-lock/bin/pip install --quiet uv; }
before=${NOW:+}
[ -n "${NOW:-}" ] || before="--exclude-newer $(date -u -d '7 days ago' +%Y-%m-%d)"
# django-htmx brings one file that is served; what it asks for is imported by nothing and left out.
leave_out="--no-emit-package django --no-emit-package asgiref --no-emit-package sqlparse"
compile() {
  # shellcheck disable=SC2086
  .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
    --no-header --no-annotate $before $leave_out "$@" >/dev/null
}
compile pyproject.toml deploy/build.in -o requirements.lock
compile pyproject.toml deploy/build.in tests/requirements.in -c requirements.lock -o tests/requirements.lock
compile pyproject.toml --extra reports -c requirements.lock -o deploy/reports.all
# What the extra brings beside what runs anyway.
sed -n '/^typst==/,/^[a-z]/{/^typst==/p;/^    /p}' deploy/reports.all > deploy/reports.lock && rm deploy/reports.all
grep -c '==' requirements.lock tests/requirements.lock
