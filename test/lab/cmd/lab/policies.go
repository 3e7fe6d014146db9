package main

import (
	"errors"
	"net/netip"
	"strings"
	"sync"
	"time"

	"warren.mesh/test/lab"
	"warren.mesh/test/lab/traffic"
)

// onlyFriends lets pods with a label reach the first node's pod, and nobody else.
const onlyFriends = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: only-friends, namespace: default}
spec:
  podSelector: {matchLabels: {app: shop}}
  ingress:
  - from:
    - podSelector: {matchLabels: {role: friend}}
`

// policyTime bounds how long a policy may take to come into force, on a machine with other work.
const policyTime = 30 * time.Second

// showPolicy has a policy refuse a pod of the same node and one of another, and let them through again.
func showPolicy(t *terminal, l *lab.Lab) {
	t.title("A NetworkPolicy: who reaches the pod shop on node1")
	shop := l.Node(1).StartPod(t, lab.PodOptions{Name: "shop", Labels: map[string]string{"app": "shop"}})
	clients := []*lab.Pod{l.Node(1).AddPod(t, "guest"), l.Node(2).AddPod(t, "guest")}
	ask := func(passes bool, what string) {
		for _, a := range askAll(clients, shop, passes) {
			t.check(a.err, "%s → shop %v: %s", a.client, a.to, what)
		}
	}
	ask(true, "http passes, without a policy")
	t.show(strings.TrimSpace(onlyFriends))
	l.Kubectl(t, onlyFriends, "apply", "-f", "-")
	ask(false, "the policy refuses it")
	t.title("node1: nft list set inet warren-policy refused4")
	t.show(l.Node(1).MustExec(t, "nft", "list", "set", "inet", "warren-policy", "refused4"))
	t.title("kubectl label pods: the guests become friends")
	for _, c := range clients {
		c.Label(t, map[string]string{"role": "friend"})
	}
	ask(true, "the policy lets it through")
	l.Kubectl(t, "", "delete", "networkpolicy", "only-friends")
}

// answer is what became of a question.
type answer struct {
	client string
	to     netip.Addr
	err    error
}

// askAll asks over HTTP from all pods at once, over both families, until it is as it should be.
func askAll(clients []*lab.Pod, server *lab.Pod, passes bool) []answer {
	var all []answer
	for _, c := range clients {
		for _, addr := range server.Addrs() {
			all = append(all, answer{client: c.Name, to: addr})
		}
	}
	var asking sync.WaitGroup
	for i := range all {
		client := clients[i/len(server.Addrs())]
		asking.Go(func() { all[i].err = askUntil(client, all[i].to, passes) })
	}
	asking.Wait()
	return all
}

// askUntil asks until there is an answer, or none, as there should be.
func askUntil(c *lab.Pod, to netip.Addr, passes bool) error {
	for begin := time.Now(); ; {
		_, err := c.Get(netip.AddrPortFrom(to, traffic.EchoPort))
		switch {
		case (err == nil) == passes:
			return nil
		case time.Since(begin) < policyTime:
		case err == nil:
			return errors.New("it still passes")
		default:
			return err
		}
	}
}
