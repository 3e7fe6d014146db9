package rtnl

import (
	"errors"
	"fmt"
)

// maxErrors is how many failures Each reports one by one: 5,000 routes that fail alike need not all be told.
const maxErrors = 4

// Each calls do for each element, continues past failures, and joins them: the first maxErrors, and the number of the
// others. It returns nil where none failed.
func Each[T any](all []T, do func(T) error) error {
	var errs []error
	more := 0
	for _, one := range all {
		err := do(one)
		switch {
		case err == nil:
		case len(errs) < maxErrors:
			errs = append(errs, err)
		default:
			more++
		}
	}
	if more > 0 {
		errs = append(errs, fmt.Errorf("and %d failures more of this kind", more))
	}
	return errors.Join(errs...)
}
