package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// aliases is the flag annotation with further names of environment variables, asked after the flag's own.
const aliases = "environment"

// bindEnvironment sets each flag that was not given from the environment: --cluster-cidrs from WARREN_CLUSTER_CIDRS. An
// empty variable counts as absent, because a manifest cannot leave one out.
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

// environmentName is WARREN_CLUSTER_CIDRS for cluster-cidrs.
func environmentName(flag string) string {
	return "WARREN_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}
