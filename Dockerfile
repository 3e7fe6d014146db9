# syntax=docker/dockerfile:1
# The image of the DaemonSet: one static binary, the CNI plugins, and `wg` and `nft`, for the daemon and for people who
# inspect it (kubectl -n kube-system exec ds/warren -- wg show).

# The machine's own Go compiles for the image's architecture.
FROM --platform=$BUILDPLATFORM golang:1.26-trixie AS build
WORKDIR /src
ENV CGO_ENABLED=0 GOFLAGS=-trimpath
# Dependencies first: they change less often than the code.
COPY go.mod go.sum ./
COPY cni/plugins/go.mod cni/plugins/go.sum cni/plugins/
RUN --mount=type=cache,target=/go/pkg/mod go mod download && go mod download -C cni/plugins
COPY . .
# A release's; empty for others.
ARG VERSION=
ARG TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    export GOARCH=$TARGETARCH && \
    go build -ldflags="-s -w -X main.release=$VERSION" -o /out/ ./cmd/warren && \
    go build -ldflags="-s -w -X main.release=$VERSION" -o /out/cni/ ./cmd/warren-cni && \
    go build -C cni/plugins -ldflags='-s -w' -o /out/cni/ tool

# This platform is the default, but for buildah 1.28, which takes that of the stage before.
FROM --platform=$TARGETPLATFORM debian:trixie-slim
# netbase has /etc/protocols, without which nft does not know "ipv6-icmp".
RUN apt-get update && \
    apt-get install --yes --no-install-recommends netbase nftables wireguard-tools && \
    rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/*.log /var/cache/ldconfig/aux-cache
# `warren install-cni` looks for the plugins beside its own binary, after it has followed the link.
COPY --from=build /out/ /opt/warren/
COPY LICENSE NOTICE /usr/share/doc/warren/
RUN ln -s /opt/warren/warren /usr/local/bin/warren
# root, with one capability (manifests/daemonset.yaml): the host's network and directories belong to root.
USER 0
LABEL org.opencontainers.image.title="warren" \
      org.opencontainers.image.description="WireGuard-encrypted mesh network for Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0"
ENTRYPOINT ["/usr/local/bin/warren"]
