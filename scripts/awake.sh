#!/bin/sh
# Runs a command while the processors are kept from sleeping, where that is permitted:
# the kernel holds the request for as long as the file is open. A processor that sleeps
# takes tens of microseconds to wake, many more in a virtual machine, and a message that
# is held back lets it sleep: the delay would show longer than it is.
#
# usage: scripts/awake.sh COMMAND [ARGUMENT...]
set -eu
# Tried in a shell of its own first: one that fails to open it would end.
if (exec 3>/dev/cpu_dma_latency) 2>/dev/null; then
	exec 3>/dev/cpu_dma_latency
	printf '\000\000\000\000' >&3 # the longest wake-up that is tolerated, in microseconds
else
	echo "awake.sh: /dev/cpu_dma_latency cannot be written, so that processors may sleep and waking them is measured too (root may write it)" >&2
fi
exec "$@"
