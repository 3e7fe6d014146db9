SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help build plugins test test-unit test-cyclonus test-helm test-privileged test-lab test-lab-long test-race test-cluster test-cluster-long test-vm test-vm-long test-release test-mutants lint demo demo-down cluster cluster-down bench image image-local release manifests clean

# Debian has nft, tcpdump and conntrack there; not every caller's PATH includes it.
export PATH := $(PATH):/usr/sbin:/sbin

GOLANGCI := go tool -modfile=tools/go.mod golangci-lint
# Built as test/lab/artifact builds a lab's programs, this one among them: what they have in common is compiled once.
GO_RUN   := CGO_ENABLED=0 GOGC=800 go run -buildvcs=false -trimpath
LAB      := $(GO_RUN) ./test/lab/cmd/lab
CLUSTER  := $(GO_RUN) ./test/cluster/cmd/cluster
LANES    := unit cyclonus helm privileged lab cluster vm
IMAGE    ?= warren.mesh/warren:dev
# docker, podman or buildah: whichever builds images here.
BUILDER  ?= $(firstword $(foreach b,docker podman buildah,$(if $(shell command -v $(b)),$(b))) docker)
# For make cluster.
NODES    ?= 2
FAMILY   ?= ipv4
PROXY    ?= nftables
# For make bench.
BENCH    ?= .
# For make release: the version, where its image will be pushed to, and where its files will be downloaded from.
VERSION    ?=
REPOSITORY ?= warren.mesh/warren
URL        ?= https://warren.mesh/releases/$(VERSION)
# KEEP=1 leaves the demonstration's cluster running.
KEEP     ?=

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

build: ## build bin/warren, and the CNI plugins in bin/cni/
	CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/warren
	CGO_ENABLED=0 go build -trimpath -o bin/cni/ ./cmd/warren-cni
	CGO_ENABLED=0 go build -C cni/plugins -trimpath -o ../../bin/cni/ tool

plugins: ## build kubectl's plugin for Linux, macOS and Windows, amd64 and arm64, into bin/plugins/
	for os in linux darwin windows; do for arch in amd64 arm64; do \
	  suffix=; test $$os != windows || suffix=.exe; \
	  CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch go build -trimpath \
	    -o bin/plugins/$$os-$$arch/kubectl-warren$$suffix ./cmd/kubectl-warren || exit 1; \
	done; done

test: ## all tests, lane by lane, then their count; needs root
	@rm -f bin/test/*.json; failed=; \
	for lane in $(LANES); do $(MAKE) --no-print-directory test-$$lane || failed="$$failed $$lane"; done; \
	test/total $(LANES) || failed="$$failed total"; \
	test -z "$$failed" || { echo "failed:$$failed" >&2; exit 1; }

test-unit: ## tests that run anywhere, without root
	@FORMAT=pkgname test/lane unit -timeout=5m -skip='^TestPrivileged' ./...

test-cyclonus: ## network policies compared with cyclonus, which judges them too, on random clusters
	@FORMAT=pkgname MODULE=test/cyclonus test/lane cyclonus -timeout=5m ./...

test-helm: ## the Helm chart renders what the kustomization does, and refuses values that it does not know
	@FORMAT=pkgname MODULE=test/helm test/lane helm -timeout=5m -count=1 ./...

test-privileged: ## tests that need root, in network namespaces of their own
	@test/install
	@$(LAB) build --links=bin/servers
	@WARREN_PRIVILEGED=1 WARREN_KUBE_BIN=$(CURDIR)/bin/servers test/lane privileged -timeout=10m -count=1 -run='^TestPrivileged' $$(go list ./... | grep -v /test/)

test-lab: ## tests on clusters on this machine, with a real API server
	@test/install
	@$(LAB) build
	@WARREN_PRIVILEGED=1 test/lane lab -timeout=30m -count=1 -p=2 -parallel=3 -run='^TestPrivileged' -skip='^TestPrivilegedLong' $$(go list ./test/... | grep -v -e /test/cluster -e /test/vm)

test-lab-long: ## a mesh of 5,000 nodes on this machine, and what it costs; a peer that is cut off; a quarter of an hour
	@test/install
	@$(LAB) build
	@WARREN_PRIVILEGED=1 test/lane lab-long -timeout=1h -count=1 -p=1 -run='^TestPrivilegedLong(Scale|Unanswered)$$' ./test/e2e

test-cluster: ## tests of the manifests on real kubelets and containerd
	@test/install cluster
	@$(CLUSTER) build
	@WARREN_PRIVILEGED=1 test/lane cluster -timeout=30m -count=1 -p=1 -run='^TestPrivileged' -skip='^TestPrivilegedLong' ./test/cluster/...

test-cluster-long: ## the same for every kind of cluster, and tests that take hours
	@test/install cluster-long
	@$(CLUSTER) build
	@WARREN_PRIVILEGED=1 test/lane cluster-long -timeout=5h -count=1 -p=1 -run='^TestPrivilegedLong' ./test/cluster

test-vm: ## tests of the kernel's WireGuard, on Debian's kernels 6.12 and 6.1 in virtual machines
	@test/install vm
	@echo "two machines boot; each shows its results when it ends, after three or four minutes"
	@WARREN_PRIVILEGED=1 test/lane vm -timeout=30m -count=1 -p=1 -run='^TestPrivileged' -skip='^TestPrivilegedLong' ./test/vm/...

test-vm-long: ## the same with all tests of the host's network, and with whole meshes; more than an hour
	@test/install vm
	@WARREN_PRIVILEGED=1 test/lane vm-long -timeout=2h -count=1 -p=1 -run='^TestPrivilegedLong' ./test/vm/...

test-release: ## make a release twice and see that it is whole; seven minutes, more the first time
	@test/install release
	go tool -modfile=tools/release/go.mod actionlint
	@WARREN_PRIVILEGED=1 test/lane release -timeout=1h -count=1 -run='^TestPrivilegedLong' ./test/release

test-mutants: ## break the code at each claim and see its test fail; more than an hour, as root
	@test/install
	@$(LAB) build --links=bin/servers
	@WARREN_PRIVILEGED=1 WARREN_KUBE_BIN=$(CURDIR)/bin/servers test/lane mutants -timeout=3h -count=1 -run='^TestMutants$$' . -mutants=.

test-race: ## the unit tests under the race detector; needs a C compiler
	@FORMAT=pkgname test/lane race -race -timeout=10m -skip='^TestPrivileged' ./...

lint: ## run golangci-lint, at the pinned version, and go vet on kubectl's plugin as macOS and Windows build it
	@echo "== lint (the first time, the linter is built: some minutes)"
	@$(GOLANGCI) run ./...
	@for os in darwin windows; do echo "== vet kubectl's plugin for $$os"; \
	  CGO_ENABLED=0 GOOS=$$os go vet ./cmd/kubectl-warren || exit 1; done

demo: ## three nodes, their annotations and the traffic between them; KEEP=1 leaves them running
	@test/install
	@$(LAB) demo $(if $(KEEP),--keep)

demo-down: ## end the nodes of make demo KEEP=1
	@$(LAB) down

cluster: ## Kubernetes on this machine, without a CNI plugin; NODES=2 FAMILY=ipv4|ipv6|dual PROXY=nftables|iptables
	@test/install cluster
	@$(CLUSTER) up --nodes=$(NODES) --family=$(FAMILY) --proxy=$(PROXY)

cluster-down: ## end the cluster of make cluster
	@$(CLUSTER) down

manifests: ## render manifests/warren.yaml and warren-uninstall.yaml from the kustomizations; needs root
	@WARREN_PRIVILEGED=1 go test ./test/manifests -count=1 -run='^TestPrivilegedRendered$$' -update

bench: ## benchmarks, BENCH=a regular expression of names; as root, those with packets too
	@test/install vm
	WARREN_PRIVILEGED=1 go test -run='^$$' -bench="$(BENCH)" -benchmem -p=1 -timeout=2h ./...

image: ## build the container image, IMAGE=name:tag
	$(BUILDER) build -t $(IMAGE) .

image-local: ## the same without a registry: buildah, on base images made by debootstrap; lists the contents
	@test/install cluster
	@$(CLUSTER) image

release: ## archives, image, manifest and chart of VERSION=v1.4.0 with SBOMs and checksums, in bin/release/
	@test/install release
	@REPOSITORY=$(REPOSITORY) URL=$(URL) tools/release/release $(VERSION)

clean: ## remove what the targets above left in the tree
	rm -rf bin
