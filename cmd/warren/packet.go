package main

import (
	"errors"
	"io/fs"

	"warren.mesh/mesh"
	"warren.mesh/mesh/explain"
	"warren.mesh/mesh/linux/lookup"
)

// readKernel reads what the kernel knows of a packet and of its answer: rules and routes, the pods' ports, and where it
// would send both.
func readKernel(f *explain.Facts, tell func(error) bool) {
	kernel, err := lookup.Open()
	if !tell(err) {
		f.From.Unread, f.To.Unread = true, true
		return
	}
	defer kernel.Close()
	if rules, err := kernel.Rules(); tell(err) {
		f.Rules = append([]mesh.Rule{}, rules...)
	}
	if routes, err := kernel.Routes(); tell(err) {
		f.Routes = append([]mesh.Route{}, routes...)
	}
	for _, e := range []*explain.End{&f.From, &f.To} {
		if e.Port == "" {
			continue
		}
		port, err := kernel.Port(e.Port)
		e.Gone = errors.Is(err, fs.ErrNotExist)
		e.Unread = !e.Gone && !tell(err)
		e.Master, e.Up = port.Bridge, port.Up
	}
	f.Forth = route(kernel, f, f.From, f.To, tell)
	f.Back = route(kernel, f, f.To, f.From, tell)
}

// route asks the kernel for the way of a packet that comes from one end. Where the interface that it would come in by
// is gone, the kernel cannot be asked.
func route(kernel lookup.Kernel, f *explain.Facts, from, to explain.End, tell func(error) bool) *explain.Route {
	incoming := f.Link
	switch {
	case from.Own:
		incoming = ""
	case from.Port != "":
		incoming = f.Bridge
	}
	answer, err := kernel.Route(lookup.Query{From: from.Addr, To: to.Addr, Incoming: incoming})
	switch {
	case !tell(err):
		return nil
	case answer.Unreachable:
		return &explain.Route{Reason: answer.Reason}
	default:
		return &explain.Route{Link: answer.Link, Table: answer.Table}
	}
}
