# The image: one static binary, the certificates of public authorities, a user. No shell, no libraries, nothing to update
# but itself.
#
#   docker build --build-arg TAILWATER_COMMIT="$(git rev-parse --short=12 HEAD)" -t tailwater:0.1.0 .
#
# BASE is where it is built: a Linux with glibc, Rust (1.88 or newer), a C compiler and ca-certificates. Nothing of it but
# the certificates is in the image.
ARG BASE=docker.io/library/rust:1.95.0-slim-bookworm

FROM ${BASE} AS dependencies
WORKDIR /src
# glibc is linked in; names are looked up in /etc/hosts and by DNS all the same. A target that is named keeps the flag
# away from build scripts and macros, which cannot be static.
ENV RUSTFLAGS="-C target-feature=+crt-static"
COPY Cargo.toml Cargo.lock ./
# A program without a line of ours: its layer holds the compiled crates and is made anew only when these change.
RUN mkdir src \
    && echo 'fn main() {}' >src/main.rs \
    && touch src/lib.rs \
    && cargo build --release --locked --bin tailwater --target "$(rustc --print host-tuple)" --target-dir /target \
    && rm -r src

FROM dependencies AS build
COPY LICENSE build.rs ./
COPY src src
# There is no git here: build.rs takes the commit from the environment.
ARG TAILWATER_COMMIT=unknown
# Cargo compares times, and what was copied may be older than what stood in its place. A panic says its file and line without
# the names of functions, which are an eighth of the program.
RUN find src build.rs -exec touch {} + \
    && cargo build --release --locked --bin tailwater --target "$(rustc --print host-tuple)" --target-dir /target \
    && install -D -s "/target/$(rustc --print host-tuple)/release/tailwater" /image/usr/local/bin/tailwater \
    && install -D -m 644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt \
    && install -D -m 644 LICENSE /image/usr/share/licenses/tailwater/LICENSE \
    && echo 'nonroot:x:65532:65532:nonroot:/nonexistent:/sbin/nologin' >/image/etc/passwd \
    && echo 'nonroot:x:65532:' >/image/etc/group \
    && mkdir -p /image/var/lib /state

FROM scratch
ARG TAILWATER_COMMIT=unknown
LABEL org.opencontainers.image.title="tailwater" \
      org.opencontainers.image.description="A log-stream collector for containers: follows, parses and ships to Loki, Elasticsearch or stdout; loses nothing, repeats nothing" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${TAILWATER_COMMIT}" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /image/ /
# A volume that is mounted here begins with this owner.
COPY --from=build --chown=65532:65532 /state /var/lib/tailwater
# By number, so that Kubernetes can tell that it is not root.
USER 65532:65532
EXPOSE 9880
ENTRYPOINT ["/usr/local/bin/tailwater"]
