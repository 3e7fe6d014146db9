# What upstream's tests run in pods. Besides agnhost itself they call a shell and the usual tools.
FROM debian:trixie-slim
RUN apt-get update && \
    apt-get install --yes --no-install-recommends curl bind9-dnsutils iproute2 iputils-ping netcat-openbsd && \
    rm -rf /var/lib/apt/lists/* && mkdir -p /uploads
# porter serves HTTPS with them.
COPY --from=beside localhost.crt localhost.key /
COPY agnhost /agnhost
ENTRYPOINT ["/agnhost"]
CMD ["pause"]
