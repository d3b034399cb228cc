#!/usr/bin/env bash
# Sets up everything this checkout needs: apt packages (when allowed) and .venv. Quick when nothing changed.
set -euo pipefail
cd "$(dirname "$0")/.."

stamp=.venv/.studio-setup
wanted=$(cat pyproject.toml tools/setup.sh tools/apt-packages.txt | sha256sum | cut -d' ' -f1)
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && exit 0

packages=$(grep -v '^#' tools/apt-packages.txt)
missing=""
for package in $packages; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
  if ! command -v apt-get >/dev/null; then
    echo "error: these system packages are missing and this is not a Debian-like system. Install what provides them:$missing" >&2
    exit 4
  elif [ "$(id -u)" = 0 ]; then
    echo "Installing system packages:$missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
  elif sudo -n true 2>/dev/null; then
    echo "Installing system packages with sudo:$missing"
    sudo apt-get update -qq
    sudo DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
  else
    echo "error: system packages are missing. Type this, then try again:" >&2
    echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends$missing" >&2
    exit 4
  fi
fi

python=""
for candidate in python3.11 python3; do
  if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ]; then
  echo "error: Python 3.11 is needed (pybullet has wheels for 3.10 and 3.11 only); found $(python3 --version 2>&1). Install python3.11 and python3.11-venv." >&2
  exit 4
fi
if ! "$python" -c 'import ensurepip' 2>/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
fi
[ -x .venv/bin/pip ] || "$python" -m venv .venv || {
  echo "error: a virtual environment cannot be made. Type: sudo apt-get install -y python3.11-venv" >&2
  exit 4
}
echo "Installing Python packages into .venv (some minutes the first time)"
.venv/bin/pip install --quiet --disable-pip-version-check torch==2.13.0 2>&1 | grep -v '^WARNING: Location' >&2 || true
.venv/bin/pip install --quiet --disable-pip-version-check --editable '.[dev]' 2>&1 | grep -v '^WARNING: Location' >&2 || true
.venv/bin/python -c 'import torch, PySide6, pybullet, studio' || { echo "error: the installation is incomplete; see the lines above." >&2; exit 1; }
echo "$wanted" > "$stamp"
