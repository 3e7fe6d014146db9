package namespace

import "testing"

func TestParseStat(t *testing.T) {
	const fields = " S 1 1 1 0 -1 4194560 1 0 0 0 1 2 0 0 20 0 1 0 4711 999 55"
	for name, stat := range map[string]string{
		"plain":                   "42 (sh)" + fields,
		"spaces and parentheses":  "42 (a) b (c)" + fields,
		"a command like the rest": "42 (x) S 1 2 3)" + fields,
	} {
		start, state, err := parseStat([]byte(stat))
		if err != nil || start != 4711 || state != 'S' {
			t.Errorf("%s: %d, %c, %v", name, start, state, err)
		}
	}
	for _, stat := range []string{"", "42 (sh", "42 (sh) S 1 1"} {
		if _, _, err := parseStat([]byte(stat)); err == nil {
			t.Errorf("%q has a start time", stat)
		}
	}
}
