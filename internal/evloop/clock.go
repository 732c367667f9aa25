package evloop

import (
	"time"

	"golang.org/x/sys/unix"
)

// The runtime reads CLOCK_MONOTONIC through the vDSO in about 25 ns; anchoring
// it once makes its readings comparable between processes of one machine.
var (
	anchor     = time.Now()
	anchorMono = readClock(unix.CLOCK_MONOTONIC)
	anchorWall = anchor.UnixNano()
)

func readClock(id int32) int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		panic("evloop: clock_gettime: " + err.Error()) // Linux always has CLOCK_MONOTONIC
	}
	return ts.Nano()
}

// Now returns CLOCK_MONOTONIC in nanoseconds, the same for all processes of a
// machine (to within the microsecond in which the anchor was taken).
func Now() int64 { return anchorMono + int64(time.Since(anchor)) }

// ThreadCPU returns the processor time of the calling thread in nanoseconds; on a
// loop's thread, that of the loop.
func ThreadCPU() int64 { return readClock(unix.CLOCK_THREAD_CPUTIME_ID) }

// ProcessCPU returns the processor time of the whole process in nanoseconds.
func ProcessCPU() int64 { return readClock(unix.CLOCK_PROCESS_CPUTIME_ID) }

// FromWall converts a wall-clock time (nanoseconds since 1970) to the scale of
// [Now], by the wall clock as it stood when the process started: a clock that is
// stepped later does not move what was planned.
func FromWall(unixNano int64) int64 { return unixNano - anchorWall + anchorMono }

// ToWall is the inverse of [FromWall].
func ToWall(mono int64) int64 { return mono - anchorMono + anchorWall }
