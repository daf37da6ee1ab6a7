#!/bin/sh
# Installs Chromium if it is missing here and the script runs as root on Debian. Without it the test
# is skipped, and says so.
set -eu
for name in chromium chromium-browser google-chrome; do
	! command -v $name >/dev/null || exit 0
done
exec "$(dirname "$0")/../../.ci/apt-install" browser chromium
