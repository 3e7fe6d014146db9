package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// aliases is the annotation of a flag that lists further environment variables. They are read after the flag's own.
const aliases = "environment"

// bindEnvironment sets each flag that was not given from the environment: --cluster-cidrs from WARREN_CLUSTER_CIDRS. It
// ignores an empty variable, because a manifest cannot omit one.
func bindEnvironment(flags *pflag.FlagSet) error {
	var errs []error
	flags.VisitAll(func(flag *pflag.Flag) {
		if flag.Changed {
			return
		}
		for _, name := range append([]string{environmentName(flag.Name)}, flag.Annotations[aliases]...) {
			value := os.Getenv(name)
			if value == "" {
				continue
			}
			if err := flags.Set(flag.Name, value); err != nil {
				errs = append(errs, fmt.Errorf("environment variable %s: %w", name, err))
			}
			return
		}
	})
	return errors.Join(errs...)
}

// environmentName returns the environment variable of a flag: WARREN_CLUSTER_CIDRS for cluster-cidrs.
func environmentName(flag string) string {
	return "WARREN_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}
