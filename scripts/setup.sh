#!/bin/sh
# Installs Apache's server binary when it is missing and this user may do so. The
# Debian package apache2-bin brings the server and its modules and starts no
# service. Without the right to install, it says what to run and goes on: Apache
# targets are skipped then.
set -u

find_apache() {
	for name in apache2 httpd; do
		for dir in $(echo "${PATH}:/usr/sbin:/usr/local/sbin:/usr/local/apache2/bin" | tr ':' ' '); do
			[ -x "$dir/$name" ] && return 0
		done
	done
	return 1
}

find_apache && exit 0

if ! command -v apt-get >/dev/null 2>&1; then
	echo "setup: Apache is not installed; install your system's httpd package (e.g. dnf install httpd) to measure it" >&2
	exit 0
fi
as_root=""
if [ "$(id -u)" -ne 0 ]; then
	if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
		as_root="sudo -n"
	else
		echo "setup: Apache is not installed, and installing it needs root; to measure it run:" >&2
		echo "setup:     sudo apt-get install --no-install-recommends apache2-bin" >&2
		exit 0
	fi
fi
echo "setup: installing apache2-bin (the server alone; no service is started)"
log=$(mktemp)
if ! { $as_root apt-get update -q && DEBIAN_FRONTEND=noninteractive $as_root apt-get install -q -y --no-install-recommends apache2-bin; } >"$log" 2>&1; then
	tail -n 5 "$log" >&2
	echo "setup: apache2-bin could not be installed; Apache targets will be skipped. To try again:" >&2
	echo "setup:     sudo apt-get install --no-install-recommends apache2-bin" >&2
fi
rm -f "$log"
exit 0
