#!/bin/sh
# Installs the peers that the integration tests need and this machine lacks, if it may: as
# root, by apt-get. What is still missing then, the tests name.
set -eu
missing=
for peer in redis-server:redis-server nginx:nginx-light curl:curl openssl:openssl socat:socat python3:python3; do
	PATH=$PATH:/usr/sbin command -v "${peer%%:*}" >/dev/null || missing="$missing ${peer#*:}"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "integration: cannot install$missing: that takes root and apt-get" >&2
	exit 0
fi
# The packages' own services are not to be started.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod +x $policy
	trap 'rm -f $policy' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
{ apt-get update -q && apt-get install -qy --no-install-recommends $missing; } </dev/null ||
	echo "integration: cannot install$missing" >&2
