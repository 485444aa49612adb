# syntax=docker/dockerfile:1
# Made of what `npm run release` writes into dist/: docker buildx build --platform linux/amd64,linux/arm64 -t gatewright .
# The first has a shell, the second Node at /nodejs/bin/node; other registries have them under other names.
ARG SHELL_IMAGE=docker.io/library/debian:bookworm-slim
ARG NODE_IMAGE=gcr.io/distroless/nodejs24-debian12:nonroot
FROM ${SHELL_IMAGE} AS program
ARG TARGETARCH
WORKDIR /opt
COPY dist/npm ./npm
# Debian's name of the platform is that of Docker, and npm's differs.
RUN if [ "$TARGETARCH" = amd64 ]; then cpu=x64; else cpu="$TARGETARCH"; fi \
  && mkdir -p gatewright/node_modules/@gatewright data \
  && cp -R npm/gatewright/. gatewright/ \
  && cp -R "npm/caddy-linux-$cpu" gatewright/node_modules/@gatewright/ \
  && rm -rf gatewright/docs

# Node and what it needs; no shell, no package manager.
FROM ${NODE_IMAGE}
COPY --from=program /opt/gatewright /opt/gatewright
COPY --from=program --chown=65532:65532 /opt/data /var/lib/gatewright
# The API is reached from outside of the container, which takes JWT_SECRET or JWT_SECRET_FILE.
ENV DATA_DIR=/var/lib/gatewright \
    LISTEN_ADDRESS=0.0.0.0 \
    HTTP_PORT=8000 \
    HTTPS_PORT=8443 \
    CADDY_STOP_ON_SHUTDOWN=true \
    NODE_COMPILE_CACHE=/tmp/compiled
VOLUME /var/lib/gatewright
EXPOSE 8080 8000 8443 8443/udp
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["/nodejs/bin/node", "-e", "fetch('http://127.0.0.1:8080/ready').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/nodejs/bin/node", "/opt/gatewright/bin/gatewright.mjs"]
CMD ["up"]
