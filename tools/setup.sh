#!/usr/bin/env bash
# Sets up everything this checkout needs: apt packages (when allowed) and .venv. Quick when nothing changed.
set -euo pipefail
cd "$(dirname "$0")/.."

stamp=.venv/.studio-setup
wanted=$(cat pyproject.toml tools/setup.sh tools/apt-packages.txt | sha256sum | cut -d' ' -f1)
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && exit 0

packages=$(grep -v '^#' tools/apt-packages.txt)
command="apt-get install -y --no-install-recommends"

# Installs the packages named; says what to type where they cannot be installed from here.
install_packages() {
  if ! command -v apt-get >/dev/null; then
    echo "error: these system packages are missing and this is not a Debian-like system. Install what provides them: $*" >&2
    exit 4
  elif [ "$(id -u)" = 0 ]; then
    sudo=""
  elif sudo -n true 2>/dev/null; then
    sudo="sudo"
  else
    echo "error: system packages are missing. Type this, then try again:" >&2
    echo "  sudo apt-get update && sudo $command $*" >&2
    exit 4
  fi
  echo "Installing system packages: $*"
  if ! { $sudo apt-get update -qq && $sudo env DEBIAN_FRONTEND=noninteractive $command -qq "$@" >/dev/null; }; then
    echo "error: system packages could not be installed; see the lines above. Type this, then try again:" >&2
    echo "  ${sudo:+$sudo }apt-get update && ${sudo:+$sudo }$command $*" >&2
    exit 4
  fi
}

missing=""
for package in $packages; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -z "$missing" ] || install_packages $missing

# Planning is quicker with a C compiler (docs/decisions/0013-native-rollouts.md), and works without one.
command -v cc >/dev/null || (install_packages gcc libc6-dev) 2>/dev/null ||
  echo "There is no C compiler: planning runs in torch, slower. Installing gcc and libc6-dev changes that."

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
"$python" -c 'import ensurepip' 2>/dev/null || install_packages "$("$python" -c 'import sys; print("python3.%d-venv" % sys.version_info[1])')"
if ! [ -x .venv/bin/pip ] && ! "$python" -m venv --clear .venv; then
  echo "error: a virtual environment cannot be made in $PWD/.venv; see the lines above." >&2
  exit 1
fi

# One pip command; its error is the end, its warnings about the place of scripts are nobody's business.
install_python() {
  if ! .venv/bin/pip install --quiet --disable-pip-version-check --no-warn-script-location --root-user-action=ignore "$@"; then
    echo "error: Python packages could not be installed; see the lines above. When the network is back, try again." >&2
    exit 1
  fi
}
echo "Installing Python packages into .venv (some minutes the first time)"
install_python torch==2.13.0
install_python --editable '.[dev]'
.venv/bin/python -c 'import torch, PySide6, pybullet, pinocchio, studio' >/dev/null || {
  echo "error: the installation is incomplete; see the lines above. Remove .venv and try again." >&2
  exit 1
}
# now, not at the first plan or tick
.venv/bin/python -c 'from studio.learning.native_build import native_build; native_build()' || true
.venv/bin/python -c 'from studio.core.kernel import tick_build; tick_build()' || true
echo "$wanted" > "$stamp"
