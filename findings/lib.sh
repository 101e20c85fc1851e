# The scripts source this file. It works in a temporary folder, which is removed at the end.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

environment() { # environment NAME PACKAGE==VERSION...
    local name=$1
    shift
    "${PYTHON:-python3}" -m venv "$name"
    "$name/bin/pip" install --quiet --disable-pip-version-check "$@" 2>pip.log || { cat pip.log; exit 2; }
}
