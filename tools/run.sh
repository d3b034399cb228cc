#!/usr/bin/env bash
# Opens the studio; without a display, says so and runs the unattended tour under a virtual one.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -n "${DISPLAY:-}" ] && command -v xdpyinfo >/dev/null && xdpyinfo >/dev/null 2>&1 || [ -n "${WAYLAND_DISPLAY:-}" ]; then
  exec .venv/bin/python main.py gui
fi
out=${OUT:-tour-out}
echo "There is no display here, so the studio cannot open a window."
echo "Running the unattended tour under a virtual display instead (up to 15 minutes); its report goes to $out/report.html."
exec bash tools/with_display.sh .venv/bin/python main.py tour --out "$out"
