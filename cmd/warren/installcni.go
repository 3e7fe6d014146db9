package main

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"warren.mesh/cni"
)

func newInstallCNI(log *logging) *cobra.Command {
	var plugins cni.Plugins
	cmd := command("install-cni", "Install the CNI plugins that attach pods",
		"It replaces plugins of the same names that differ; `warren uninstall` restores them.",
		func(*cobra.Command) error {
			logger, err := log.logger()
			if err != nil {
				return err
			}
			installed, err := plugins.Install()
			if err != nil {
				return err
			}
			logger.Info("CNI plugins are installed", "dir", plugins.To, "written", installed)
			return nil
		})
	addPluginsFlag(cmd.Flags(), &plugins)
	addSourceFlag(cmd.Flags(), &plugins, "directory of the plugins to install")
	return cmd
}

// besideBinary returns the path of name in the directory of this program, where a release has it.
func besideBinary(name string) string {
	program, err := os.Executable()
	if err != nil {
		return name
	}
	return filepath.Join(filepath.Dir(program), name)
}
