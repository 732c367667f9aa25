#!/bin/sh
# install.sh COMMAND NAME PURPOSE PACKAGE...: installs packages when COMMAND is missing
# and this user may do so. Services that a package brings are not started. Without the
# right to install, it says what to run and goes on.
set -u
command=$1 name=$2 purpose=$3
shift 3

for dir in $(echo "${PATH}:/usr/sbin:/usr/local/sbin" | tr ':' ' '); do
	[ -x "$dir/$command" ] && exit 0
done
as_root=""
if [ "$(id -u)" -ne 0 ]; then
	as_root="sudo -n"
fi
if ! command -v apt-get >/dev/null 2>&1 || ! ${as_root:-true} true 2>/dev/null; then
	echo "setup: $name is not installed: $purpose. To install it:" >&2
	echo "setup:     sudo apt-get install --no-install-recommends $*" >&2
	exit 0
fi

# policy-rc.d is asked by every package's script before it starts a service: 101 is no.
policy=/usr/sbin/policy-rc.d
made=""
if [ ! -e "$policy" ] && printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null; then
	$as_root chmod 755 "$policy"
	made=$policy
fi
log=$(mktemp)
trap 'rm -f "$log"; [ -n "$made" ] && $as_root rm -f "$made"' EXIT
trap 'exit 130' INT TERM
echo "setup: installing $* ($purpose; no service is started)"
if ! { $as_root apt-get update -q && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"; } >"$log" 2>&1; then
	tail -n 5 "$log" >&2
	echo "setup: $name could not be installed. To try again:" >&2
	echo "setup:     sudo apt-get install --no-install-recommends $*" >&2
fi
exit 0
