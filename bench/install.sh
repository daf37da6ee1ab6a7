#!/bin/sh
# Installs the programs that compare and echo measure and that are missing here, if it runs as root.
# The results name the programs that are still missing. With the argument echo it installs only
# those that echo measures.
set -eu
missing=
/usr/bin/python3 -c 'import uvloop' 2>/dev/null || missing="$missing python3-uvloop"
if [ "${1-}" != echo ]; then
	command -v cargo >/dev/null || missing="$missing cargo"
	ls -d /usr/share/cargo/registry/tokio-1.* >/dev/null 2>&1 || missing="$missing librust-tokio-dev"
fi
# shellcheck disable=SC2086
exec "$(dirname "$0")/../.ci/apt-install" bench $missing
