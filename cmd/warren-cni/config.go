package main

import (
	"encoding/json"
	"strings"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"

	"warren.mesh/cni/gate"
)

// config is the plugin's part of the list, which package cni renders.
type config struct {
	types.PluginConf
	// RunDir is the daemon's run directory, /run/warren. It holds the socket and the tombstones.
	RunDir string `json:"runDir"`
	// Bridge is the name of the pods' bridge.
	Bridge string `json:"bridge"`
	// Valid is GC's list of attachments, in place of that of PluginConf, which does not tell null from no list: nil if
	// there is none, "null" from a runtime whose list is a nil slice, as CRI-O's is when no pod runs.
	Valid json.RawMessage `json:"cni.dev/valid-attachments"`
}

func parse(stdin []byte) (config, error) {
	var c config
	if err := json.Unmarshal(stdin, &c); err != nil {
		return c, types.NewError(types.ErrDecodingFailure, "the configuration cannot be read", err.Error())
	}
	if c.RunDir == "" || c.Bridge == "" {
		const remedy = "it comes from the warren daemon, which writes runDir and bridge: remove what others wrote"
		return c, types.NewError(types.ErrInvalidNetworkConfig, "the configuration has no runDir or no bridge", remedy)
	}
	return c, nil
}

func (c *config) client() gate.Client { return gate.Client{Socket: gate.Socket(c.RunDir)} }

// attachment reads the plugin's input. It sets PrevResult.
func (c *config) attachment(args *skel.CmdArgs) (gate.Attachment, error) {
	attached := gate.Attached{Key: gate.Key{Container: args.ContainerID, Interface: args.IfName}}
	for pair := range strings.SplitSeq(args.Args, ";") {
		name, value, _ := strings.Cut(pair, "=")
		attached.Args = append(attached.Args, [2]string{name, value})
	}
	if err := version.ParsePrevResult(&c.PluginConf); err != nil {
		return gate.Attachment{}, types.NewError(types.ErrDecodingFailure, "the previous result", err.Error())
	}
	if c.PrevResult != nil {
		result, err := current.NewResultFromResult(c.PrevResult)
		if err != nil {
			return gate.Attachment{}, types.NewError(types.ErrDecodingFailure, "the previous result", err.Error())
		}
		attached.Result = result
	}
	a, err := attached.Attachment(c.Bridge)
	if err != nil {
		const what = "warren-cni cannot tell whose network it is"
		return a, types.NewError(types.ErrInvalidNetworkConfig, what, err.Error())
	}
	return a, nil
}
