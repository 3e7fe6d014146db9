package main

import (
	"context"
	"encoding/json"
	"errors"
	"syscall"
	"time"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"

	"warren.mesh/cni/gate"
)

// patience is how long each command waits for the daemon. An ADD holds up one pod, and fails in time for the container
// runtime to try it again; a daemon that restarts is back earlier.
const patience = 10 * time.Second

func add(args *skel.CmdArgs) error {
	c, err := parse(args.StdinData)
	if err != nil {
		return err
	}
	a, err := c.attachment(args)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.client().Attach(ctx, a); err != nil {
		return failure(types.ErrTryAgainLater, "pod "+a.Namespace+"/"+a.Name+" stays without a network", err)
	}
	return types.PrintResult(c.PrevResult, c.CNIVersion)
}

// del needs no result: what the plugins before it made may be gone, or made by a list without the gate.
func del(args *skel.CmdArgs) error {
	c, err := parse(args.StdinData)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	detach := func() error { return c.client().Detach(ctx, args.ContainerID, args.IfName) }
	err = detach()
	if errors.Is(err, gate.ErrDown) {
		if err := gate.RecordsIn(c.RunDir).Bury(args.ContainerID, args.IfName); err != nil {
			return failure(types.ErrIOFailure, "the end of container "+args.ContainerID, err)
		}
		// A daemon that has started meanwhile may have looked for tombstones before.
		if err = detach(); errors.Is(err, gate.ErrDown) {
			return nil
		}
	}
	if err != nil {
		return failure(types.ErrTryAgainLater, "the daemon did not forget container "+args.ContainerID, err)
	}
	return nil
}

func check(args *skel.CmdArgs) error {
	c, err := parse(args.StdinData)
	if err != nil {
		return err
	}
	a, err := c.attachment(args)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err = c.client().Check(ctx, a)
	if err != nil && !errors.Is(err, gate.ErrUnknown) {
		return failure(types.ErrTryAgainLater, "pod "+a.Namespace+"/"+a.Name+" is not as it should be", err)
	}
	return nil
}

func status(args *skel.CmdArgs) error {
	c, err := parse(args.StdinData)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err = c.client().Ready(ctx)
	// A socket on which nobody listens is that of a daemon that served since the machine's start, and ends or restarts.
	// A failure would make the node unready, and take pods out of Services that work as before.
	paused := errors.Is(err, gate.ErrDown) && errors.Is(err, syscall.ECONNREFUSED)
	if err != nil && !paused && !errors.Is(err, gate.ErrUnknown) {
		return failure(types.ErrPluginNotAvailable, "no pod can start on this node", err)
	}
	return nil
}

func gc(args *skel.CmdArgs) error {
	c, err := parse(args.StdinData)
	if err != nil {
		return err
	}
	if c.Valid == nil {
		const remedy = "a runtime that has none gives an empty list"
		return types.NewError(types.ErrInvalidNetworkConfig, "GC without cni.dev/valid-attachments", remedy)
	}
	var attachments []types.GCAttachment
	if err := json.Unmarshal(c.Valid, &attachments); err != nil {
		return types.NewError(types.ErrDecodingFailure, "cni.dev/valid-attachments cannot be read", err.Error())
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var containers []string
	for _, valid := range attachments {
		containers = append(containers, valid.ContainerID)
	}
	err = c.client().Keep(ctx, containers)
	if err != nil && !errors.Is(err, gate.ErrUnknown) {
		return failure(types.ErrTryAgainLater, "attachments were not collected", err)
	}
	return nil
}

// failure is what a runtime shows, in the kubelet's events above all.
func failure(code uint, what string, err error) *types.Error {
	switch {
	case errors.Is(err, gate.ErrDown):
		return types.NewError(code, what, err.Error()+": see kubectl -n kube-system get pods -o wide "+
			"-l app.kubernetes.io/name=warren; it is tried again")
	case errors.Is(err, gate.ErrUnknown):
		return types.NewError(code, what, err.Error()+": it is older than the plugin; restart it")
	case errors.Is(err, context.DeadlineExceeded):
		return types.NewError(code, what, err.Error()+": see kubectl -n kube-system logs -l "+
			"app.kubernetes.io/name=warren; it is tried again")
	}
	return types.NewError(code, what, "the warren daemon says: "+err.Error())
}
