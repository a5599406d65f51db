# neo4j-backup: the controller and the worker in one small image without a shell.
#
#   docker build -t neo4j-backup:dev .
#
# BASE may be any Debian 12 image; where none can be pulled, make one with debootstrap and tag it
# with that name. `make image` packs the same root file system without a container engine.
ARG BASE=debian:12-slim

FROM ${BASE} AS build
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    gcc make pkg-config libc6-dev libcurl4-openssl-dev libcjson-dev libyaml-dev libssl-dev \
    zlib1g-dev libdeflate-dev libwebsockets-dev libcap-dev ca-certificates tzdata \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY VERSION Makefile ./
COPY tools ./tools
COPY src ./src
COPY controller ./controller
RUN make -j"$(nproc)" all && tools/image-rootfs build/release /rootfs

FROM scratch
LABEL org.opencontainers.image.title="neo4j-backup" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.description="Online backups of Neo4j to S3, as Kubernetes objects"
COPY --from=build /rootfs /
USER 65532:65532
# Two malloc arenas are enough for the few threads there are; more only cost memory.
ENV PATH=/usr/bin MALLOC_ARENA_MAX=2 SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
ENTRYPOINT ["/usr/bin/neo4j-backup"]
