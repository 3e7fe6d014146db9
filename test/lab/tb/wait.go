package tb

import "time"

// PollInterval is between two looks at a condition.
const PollInterval = 20 * time.Millisecond

// Wait polls until condition returns nil, and returns how long that took. After Bound(within) it fails the test with
// the last error of condition. It is the one place where tests wait for something that cannot be waited for otherwise.
func Wait(t TB, within time.Duration, what string, condition func() error) time.Duration {
	t.Helper()
	begin, within := time.Now(), Bound(within)
	for {
		err := condition()
		if err == nil {
			return time.Since(begin)
		}
		if time.Since(begin) > within {
			t.Fatalf("%s: not within %v: %v", what, within, err)
		}
		time.Sleep(PollInterval)
	}
}
