#!/usr/bin/env bash
# Runs a command under the display there is, or under a virtual one of 1440x900.
set -euo pipefail
if [ -n "${DISPLAY:-}" ] && xdpyinfo >/dev/null 2>&1; then
  exec "$@"
fi
exec xvfb-run -a -s "-screen 0 1440x900x24 +extension GLX -nolisten tcp" "$@"
