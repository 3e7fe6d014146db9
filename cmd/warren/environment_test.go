package main

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Every flag of every subcommand can be given by environment: a new one needs no thought.
func TestEveryFlagFromEnvironment(t *testing.T) {
	for i, cmd := range newRoot().Commands() {
		t.Run(cmd.Name(), func(t *testing.T) {
			cmd := newRoot().Commands()[i] // with log flags that no other subtest has set
			cmd.InheritedFlags()           // adds them to Flags
			want := map[string]string{}
			cmd.Flags().VisitAll(func(flag *pflag.Flag) {
				want[flag.Name] = another(t, flag)
				t.Setenv(environmentName(flag.Name), want[flag.Name])
			})
			if err := bindEnvironment(cmd.Flags()); err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			cmd.Flags().VisitAll(func(flag *pflag.Flag) { got[flag.Name] = strings.ToLower(flag.Value.String()) })
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// another is a value that is not the flag's default.
func another(t *testing.T, flag *pflag.Flag) string {
	t.Helper()
	values := map[string]string{ // by type
		"string": "some/value", "bool": "true", "int": "1300", "uint16": "4711", "duration": "7s",
		"CIDR,...": "10.0.0.0/8,fd00::/48", "bit": "0x400000", "mode": "userspace", "format": "json", "order": "bytes",
		"on|off": "off",
	}
	value, known := values[flag.Value.Type()]
	switch {
	case flag.Name == "log-level":
		return "debug"
	case flag.DefValue == "true":
		return "false"
	case !known || value == flag.DefValue:
		t.Fatalf("--%s is of type %s and %q by default: this test has no other value for it", flag.Name,
			flag.Value.Type(), flag.DefValue)
	}
	return value
}

func TestEnvironmentGivesWayToFlags(t *testing.T) {
	for name, test := range map[string]struct {
		environment map[string]string
		args        []string
		want        string
	}{
		"nothing":                   {nil, nil, ""},
		"environment":               {map[string]string{"WARREN_NODE_NAME": "a"}, nil, "a"},
		"alias":                     {map[string]string{"NODE_NAME": "b"}, nil, "b"},
		"own name before the alias": {map[string]string{"WARREN_NODE_NAME": "a", "NODE_NAME": "b"}, nil, "a"},
		"empty is absent":           {map[string]string{"WARREN_NODE_NAME": "", "NODE_NAME": "b"}, nil, "b"},
		"flag": {map[string]string{"WARREN_NODE_NAME": "a", "NODE_NAME": "b"},
			[]string{"--node-name=c"}, "c"},
		"empty flag": {map[string]string{"WARREN_NODE_NAME": "a"}, []string{"--node-name="}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("NODE_NAME", "")
			for variable, value := range test.environment {
				t.Setenv(variable, value)
			}
			var o nodeOptions
			flags := pflag.NewFlagSet("", pflag.ContinueOnError)
			o.addFlags(flags)
			if err := flags.Parse(test.args); err != nil {
				t.Fatal(err)
			}
			if err := bindEnvironment(flags); err != nil {
				t.Fatal(err)
			}
			if o.name != test.want {
				t.Errorf("got %q, want %q", o.name, test.want)
			}
		})
	}
}

// run executes the command line up to the point at which a subcommand would start to work.
func run(t *testing.T, args ...string) error {
	t.Helper()
	root := newRoot()
	for _, cmd := range root.Commands() {
		cmd.RunE = func(*cobra.Command, []string) error { return nil }
	}
	root.SetArgs(args)
	return root.ExecuteContext(t.Context())
}

func TestErrorsNameWhatIsWrong(t *testing.T) {
	for name, test := range map[string]struct {
		environment map[string]string
		args        []string
		want        string
	}{
		"flag": {nil, []string{"daemon", "--cluster-cidrs=10.244.0.0"}, `"10.244.0.0" is not a CIDR such as`},
		"environment": {map[string]string{"WARREN_MTU": "lots"}, []string{"daemon"},
			"environment variable WARREN_MTU: "},
		"mode":       {nil, []string{"wireguard", "--wireguard=hardware"}, "auto, kernel or userspace"},
		"argument":   {nil, []string{"daemon", "please"}, `unknown command "please"`},
		"subcommand": {nil, []string{"deamon"}, `unknown command "deamon"`},
	} {
		t.Run(name, func(t *testing.T) {
			for variable, value := range test.environment {
				t.Setenv(variable, value)
			}
			err := run(t, test.args...)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestParseCIDRs(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "",
		"10.244.0.0/16":                 "10.244.0.0/16",
		" 10.244.0.0/16 , fd00::/48 , ": "10.244.0.0/16,fd00::/48",
	} {
		var list []netip.Prefix
		if err := cidrs(&list).Set(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if diff := cmp.Diff(want, cidrs(&list).String()); diff != "" {
			t.Errorf("%q: (-want +got):\n%s", text, diff)
		}
	}
}
