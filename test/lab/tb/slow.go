package tb

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// SlowEnv names the environment variable that says how many times slower than other machines this one is: a whole
// number, for a guest whose processor is emulated. Without it that is 1.
const SlowEnv = "WARREN_SLOW"

var slow = func() int {
	text, set := os.LookupEnv(SlowEnv)
	if !set {
		return 1
	}
	times, err := strconv.Atoi(text)
	if err != nil || times < 1 {
		panic(fmt.Sprintf("%s is %q, not a whole number from 1", SlowEnv, text))
	}
	return times
}()

// Bound is how long this machine may take for what takes others at most d. It bounds waits and measures nothing.
func Bound(d time.Duration) time.Duration { return d * time.Duration(slow) }

// Rate is how many packets a second this machine is given where others get so many: a quarter of them, if it is slow.
// An emulated processor encrypts a few thousand packets a second, and a whole mesh has two dozen flows: its senders'
// sockets were full while daemons started.
func Rate(packets int) int {
	if slow > 1 {
		return packets / 4
	}
	return packets
}
