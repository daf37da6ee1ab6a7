#!/bin/sh
# Installs the peers that the integration tests need and this machine lacks, if it may. What is
# still missing then, the tests name.
set -eu
missing=
for peer in redis-server:redis-server nginx:nginx-light curl:curl openssl:openssl socat:socat python3:python3 mariadbd:mariadb-server; do
	PATH=$PATH:/usr/sbin command -v "${peer%%:*}" >/dev/null || missing="$missing ${peer#*:}"
done
# Debian keeps the server's programs out of the way.
command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
# shellcheck disable=SC2086
exec "$(dirname "$0")/../.ci/apt-install" integration $missing
