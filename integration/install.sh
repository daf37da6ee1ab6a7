#!/bin/sh
# Installs the peers that the integration tests need and that are missing here, if it runs as root.
# The tests name the peers that are still missing.
set -eu
missing=
for peer in redis-server:redis-server nginx:nginx-light curl:curl openssl:openssl socat:socat python3:python3 mariadbd:mariadb-server; do
	PATH=$PATH:/usr/sbin command -v "${peer%%:*}" >/dev/null || missing="$missing ${peer#*:}"
done
# Debian installs the server's programs outside the PATH.
command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
# shellcheck disable=SC2086
exec "$(dirname "$0")/../.ci/apt-install" integration $missing
