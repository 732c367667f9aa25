#!/bin/sh
# Installs what the backends of Node.js and Python need (Node.js with its library ws, a
# Python with websockets) when it is missing and this user may do so. Without the right
# to install, it says what to run and goes on: such backends cannot be used then.
set -u
here=$(dirname "$0")

# The same places as echo/node looks in; the exact search, with versions, is
# `wsgauge targets`.
node_has_ws() {
	node=$(command -v node || command -v nodejs) || return 1
	prefix=$(dirname "$(dirname "$(readlink -f "$node")")")
	for dir in $(echo "${NODE_PATH:-}" | tr ':' ' ') "$prefix/lib/node_modules" /usr/share/nodejs /usr/lib/nodejs /usr/local/lib/node_modules /usr/lib/node_modules; do
		[ -e "$dir/ws/package.json" ] && return 0
	done
	return 1
}

python_has_websockets() {
	for python in python3 /usr/local/bin/python3 /usr/bin/python3; do
		"$python" -c 'import websockets' >/dev/null 2>&1 && return 0
	done
	return 1
}

# install.sh asks for a command first. A library has none, so it is always missing.
if ! node_has_ws; then
	if command -v node >/dev/null 2>&1 || command -v nodejs >/dev/null 2>&1; then
		"$here/install.sh" "no command" "Node.js's library ws" "the backend node" node-ws
	else
		"$here/install.sh" "no command" "Node.js" "the backend node" nodejs node-ws
	fi
fi
if ! python_has_websockets; then
	"$here/install.sh" "no command" "Python's library websockets" "the backend python" python3 python3-websockets
fi
exit 0
