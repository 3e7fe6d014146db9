package host

import (
	"bytes"
	"os"
)

// Tail is the last lines of a file, or why it cannot be read.
func Tail(path string, lines int) []byte {
	content, err := os.ReadFile(path)
	if err != nil {
		return []byte(err.Error())
	}
	content = bytes.TrimRight(content, "\n")
	for at := len(content); lines > 0; lines-- {
		if at = bytes.LastIndexByte(content[:at], '\n'); at < 0 {
			return content
		}
		if lines == 1 {
			return content[at+1:]
		}
	}
	return nil
}
