#!/bin/sh
# Makes .venv and installs one hash-pinned requirements file into it, then Hookline itself.
# Usage: prepare.sh requirements.txt|requirements-dev.txt
# The stamp's name holds a sum of everything the result depends on, so that a second run is instant.
set -eu

requirements=$1
venv=.venv
log=$venv/install.log
oldest_minor=11

fail() {
    echo "hookline: $*" >&2
    exit 1
}

is_new_enough() {
    "$1" -c "import sys; sys.exit(sys.version_info < (3, $oldest_minor))" >/dev/null 2>&1
}

find_python() {
    for candidate in ${PYTHON:-} python3.13 python3.12 python3.11 python3.14 python3 python; do
        if is_new_enough "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    fail "Python 3.$oldest_minor or newer is needed; install it, or name it: make PYTHON=/path/to/python3"
}

stamp_of() {
    sum=$({ cat "$1" pyproject.toml tools/prepare.sh; pwd; } | cksum | tr ' ' '-')
    echo "$venv/.installed-$(basename "$1" .txt)-$sum"
}

make_venv() {
    if [ -x "$venv/bin/python" ] && is_new_enough "$venv/bin/python"; then
        return
    fi
    python=$(find_python)
    echo "hookline: making $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv" ||
        fail "$python cannot make virtual environments (Debian and Ubuntu: apt-get install python3-venv)"
}

show_progress() {
    total=$(grep -c '==' "$requirements")
    shown=0
    while kill -0 "$1" 2>/dev/null; do
        sleep 1
        found=$(grep -c '^Collecting' "$log" || true)
        if [ -t 1 ]; then
            printf '\r  %s of %s packages fetched ' "$found" "$total"
        elif [ "$found" -ge $((shown + 25)) ]; then
            echo "  $found of $total packages fetched"
            shown=$found
        fi
    done
    if [ -t 1 ]; then printf '\r%60s\r' ''; fi
}

install() {
    "$venv/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar off \
        --require-hashes -r "$requirements" &&
        "$venv/bin/python" -m pip install --disable-pip-version-check --no-input \
            --no-deps --no-build-isolation -e .
}

stamp=$(stamp_of "$requirements")
if [ -e "$stamp" ]; then
    exit 0
fi
make_venv
echo "hookline: installing $requirements (hash-pinned; the log is $log)"
started=$(date +%s)
install >"$log" 2>&1 </dev/null &
installer=$!
trap 'kill $installer 2>/dev/null || true' INT TERM
show_progress "$installer"
if ! wait "$installer"; then
    tail -n 20 "$log" >&2
    fail "installing $requirements failed; the whole log is $log"
fi
rm -f "$venv/.installed-$(basename "$requirements" .txt)-"*
: >"$stamp"
# The development set holds every runtime pin (compiled with -c requirements.txt).
if [ "$requirements" = requirements-dev.txt ]; then
    rm -f "$venv/.installed-requirements-"[0-9]*
    : >"$(stamp_of requirements.txt)"
fi
echo "hookline: installed in $(($(date +%s) - started)) s"
