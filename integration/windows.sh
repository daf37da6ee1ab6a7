#!/bin/sh
# Runs the tests as Windows programs under Wine: windows.sh [go test's flags and packages]. The Wine
# must be version 10 or later: older ones lack calls that Go makes. If the system has none, and this
# is root on a Debian system, the script installs Debian 13's in a folder of its own, and runs it
# with that folder as its root. Where there is no Wine, the script says so and succeeds.
set -eu
cd "$(dirname "$0")/.."

skip() {
	echo "make windows: skipped: $*"
	exit 0
}

# The tests of what Wine lacks and Windows has: an option of UDP sockets that package net sets, and
# unix sockets.
lacking='Datagram|PacketConn|TransportsOnTheWrongGoroutine|ReturnsNoProtocol|AfterCloseInACallback|Unix|TLSCannotBegin|/unix|//unix'

# run runs go test with flags and packages; the command in $wine starts a Windows program.
run() {
	export WINEPREFIX="$tmp/prefix" WINEDEBUG=-all WINEDLLOVERRIDES=mscoree,mshtml,winewayland.drv= # no messages and no dialogs
	timeout 60 "$wine" wineboot --init >"$tmp/log" 2>&1 || skip "Wine does not start: $(cat "$tmp/log")"
	# The processes that Wine starts for itself hold the output of the program that it starts for. So
	# a program that reads from a pipe without an end keeps them from starting anew for each test.
	mkfifo "$tmp/pipe"
	"$wine" cmd <>"$tmp/pipe" >/dev/null 2>&1 &
	GOOS=windows GOARCH=amd64 CGO_ENABLED=0 timeout -k 10 600 \
		go test -count=1 -timeout 240s -skip "$lacking" -exec "$wine" "$@"
}

# run_in_root does the same with Wine in the root folder $1. All its processes and mounts end with
# the namespace that it is called in.
run_in_root() {
	root=$1
	shift
	for path in /proc /sys /dev /tmp /etc/hosts "$tmp" "$PWD"; do
		if [ -d "$path" ]; then mkdir -p "$root$path"; else touch "$root$path"; fi
		mount --rbind "$path" "$root$path"
	done
	wine=$tmp/wine
	printf '#!/bin/sh\nexec chroot "%s" env -C "$PWD" /usr/lib/wine/wine64 "$@"\n' "$root" >"$wine"
	chmod +x "$wine"
	run "$@"
}

install() {
	command -v mmdebstrap >/dev/null || .ci/apt-install windows mmdebstrap
	command -v mmdebstrap >/dev/null || skip 'there is no Wine 10, and mmdebstrap cannot be installed'
	mkdir -p "${root%/*}"
	rm -rf "$root.part"
	mmdebstrap --variant=essential --include=wine64 trixie "$root.part" || skip 'Wine cannot be installed'
	mv "$root.part" "$root"
}

if [ "${1-}" = --in-namespace ]; then
	tmp=$2
	shift 2
	run_in_root "$@"
	exit
fi

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if [ $# = 0 ]; then
	# shellcheck disable=SC2046
	set -- $(GOOS=windows go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...)
fi
case $(wine --version 2>/dev/null) in
wine-[1-9][0-9]*)
	wine=wine
	trap 'wineserver --kill --wait || true; rm -rf "$tmp"' EXIT
	run "$@"
	;;
*)
	[ "$(id -u)" = 0 ] || skip 'there is no Wine 10, and only root can install one'
	in_namespace='unshare --mount --pid --fork --kill-child --mount-proc'
	$in_namespace true || skip 'there may be no namespace for Wine'
	root=${XDG_CACHE_HOME:-$HOME/.cache}/go-asyncio/wine
	[ -d "$root" ] || install
	$in_namespace "$0" --in-namespace "$tmp" "$root" "$@"
	;;
esac
